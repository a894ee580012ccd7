/** From results to what they are made of: layers to stack, trees to read. */
import type { Digest } from '../core/digest.ts';
import { SharedWork } from '../core/shared-work.ts';
import type { FileTree } from '../core/tree.ts';
import { BuildError } from '../core/errors.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { Snapshot, SnapshotId, SnapshotStore } from '../snapshot/types.ts';
import { MergedView } from '../snapshot/view.ts';
import type { OpContext } from '../solver/types.ts';
import type { BuildResult, ImageUnpacker } from './types.ts';

export interface ResultReaderOptions {
  readonly snapshots: SnapshotStore;
  readonly unpacker: () => Promise<ImageUnpacker>;
}

/** Opens results, each stack once. */
export class ResultReader {
  private readonly options: ResultReaderOptions;
  private readonly unpacked = new Map<Digest, readonly SnapshotId[]>();
  private readonly unpacking = new SharedWork<readonly SnapshotId[]>();
  private readonly views = new Map<string, MergedView>();
  /** Each is looked at once in a build, whose lease keeps it, and not again for each step above it. */
  private readonly known = new Map<SnapshotId, Snapshot>();

  constructor(options: ResultReaderOptions) {
    this.options = options;
  }

  /** The layers, lowest first; an image is unpacked now. A directory of the client has none. */
  async layers(result: BuildResult, context: OpContext): Promise<readonly Snapshot[]> {
    const ids = await this.layerIds(result, context);
    return Promise.all(ids.map((id) => this.snapshot(id)));
  }

  async tree(result: BuildResult, context: OpContext): Promise<FileTree> {
    if (result.kind === 'local') return result.tree;
    if (result.kind === 'remote') {
      return result.source.open({ signal: context.signal, onProgress: (...status) => context.status(...status) });
    }
    const layers = await this.layers(result, context);
    const key = layers.map(({ id }) => id).join(' ');
    let view = this.views.get(key);
    if (view === undefined) {
      view = new MergedView(layers);
      this.views.set(key, view);
    }
    return view;
  }

  private async layerIds(result: BuildResult, context: OpContext): Promise<readonly SnapshotId[]> {
    switch (result.kind) {
      case 'layers':
        return result.layers;
      case 'image':
        return this.unpack(result.reference, result.manifest, context);
      case 'local':
      case 'remote':
        throw new Error('What only one session can use has no layers');
      default:
        return unreachable(result);
    }
  }

  /** Once for each image, whoever asks; a failure is not remembered. */
  private async unpack(reference: string, manifest: Digest, context: OpContext): Promise<readonly SnapshotId[]> {
    const known = this.unpacked.get(manifest);
    if (known !== undefined) return known;
    return this.unpacking.run(manifest, context.signal, async (signal) => {
      const unpacker = await this.options.unpacker();
      const layers = await unpacker.unpack(reference, manifest, {
        signal,
        onProgress: (id, current, total) => context.status(id, current, total),
      });
      this.unpacked.set(manifest, layers);
      return layers;
    });
  }

  private async snapshot(id: SnapshotId): Promise<Snapshot> {
    const snapshot = this.known.get(id) ?? (await this.options.snapshots.get(id));
    if (snapshot !== undefined) {
      this.known.set(id, snapshot);
      return snapshot;
    }
    throw new BuildError('store-corrupt', `Cannot find the layer "${id}" that an earlier step made`, {
      hint: 'build again; if it happens again, build with --no-cache',
    });
  }
}
