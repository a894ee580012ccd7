/**
 * Images as stacks of snapshots: fetches the blobs that are missing, unpacks them, and remembers what came of it.
 *
 * A layer does not depend on those below it, so that layers are unpacked side by side and once for all images that have them. The exception
 * are tars that take for granted what is below: a directory that they don't contain, a hard link into a lower layer. Such a layer is
 * unpacked again with a view of the lower ones, and remembered for that place only.
 */
import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import type { ContentStore } from '../content/types.ts';
import type { Digest, DiffID } from '../core/digest.ts';
import { isDigest } from '../core/digest.ts';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { SharedWork } from '../core/shared-work.ts';
import { applyLayer } from '../layer/apply.ts';
import type { AppliedLayer } from '../layer/apply.ts';
import { decompress, isPlainFile } from '../layer/compress.ts';
import { parseReference } from '../oci/reference.ts';
import type { Reference } from '../oci/reference.ts';
import type { Descriptor } from '../oci/types.ts';
import type { LayerSource, NativeFiles } from '../runtime-native/tree-types.ts';
import type { Snapshot, SnapshotId, SnapshotStore } from '../snapshot/types.ts';
import { inLayer, missingLayer, otherDiffID } from './errors.ts';
import { dependentKey, findLayer } from './layer-keys.ts';
import { loadImageByDigest } from './load.ts';
import type { Image, ImageSource } from './types.ts';

export interface UnpackerDeps {
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly files: NativeFiles;
  /** Asked for when a blob is missing; without it, that is an error. */
  readonly source?: () => Promise<ImageSource>;
  /** Layers unpacked at a time; default: the number of processors. */
  readonly parallelism?: number;
}

export interface UnpackOptions {
  readonly signal: AbortSignal;
  /** Bytes of a layer's blob, named by its digest, on its way from the source. */
  readonly onProgress?: (id: string, current: number, total: number) => void;
}

export interface Unpacker {
  /**
   * The snapshots of an image's layers, lowest first; `reference`, a name or an ID, says where missing blobs come from. Throws `digest-mismatch` when a
   * layer is not what the config says, `invalid-archive`, `store-corrupt` or `registry-*`; nothing of such a layer is kept.
   */
  unpack(reference: string, manifest: Digest, options: UnpackOptions): Promise<readonly SnapshotId[]>;
}

const PARALLEL_FETCHES = 3;

export function createUnpacker(deps: UnpackerDeps): Unpacker {
  const shared: Shared = {
    layers: new SharedWork(),
    fetches: new SharedWork(),
    fetchQueue: new PQueue({ concurrency: PARALLEL_FETCHES }),
    applyQueue: new PQueue({ concurrency: deps.parallelism ?? availableParallelism() }),
  };
  return {
    async unpack(reference, manifest, options) {
      const image = await loadImageByDigest(deps.content, manifest);
      const snapshots = await new Unpacking(deps, shared, reference, image, options).run();
      return snapshots.map((snapshot) => snapshot.id);
    },
  };
}

/** What unpackings in this process have in common. */
interface Shared {
  readonly layers: SharedWork<Snapshot | undefined>;
  readonly fetches: SharedWork<void>;
  readonly fetchQueue: PQueue;
  readonly applyQueue: PQueue;
}

/** One layer of the image, and its place. */
interface Layer {
  readonly index: number;
  readonly blob: Descriptor;
  readonly diffID: DiffID;
}

class Unpacking {
  readonly #deps: UnpackerDeps;
  readonly #shared: Shared;
  readonly #reference: Reference | undefined;
  readonly #image: Image;
  readonly #options: UnpackOptions;
  readonly #diffIDs: readonly DiffID[];
  /** Aborted when the caller gives up or a layer fails. */
  readonly #signal: AbortSignal;
  readonly #failed = new AbortController();
  readonly #results: Promise<Snapshot>[] = [];

  constructor(deps: UnpackerDeps, shared: Shared, reference: string, image: Image, options: UnpackOptions) {
    this.#deps = deps;
    this.#shared = shared;
    this.#reference = isId(reference) ? undefined : parseReference(reference);
    this.#image = image;
    this.#options = options;
    this.#diffIDs = image.config.rootfs.diff_ids;
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
  }

  /** Settles when nothing is under way any more, with the first failure if there is one. */
  async run(): Promise<Snapshot[]> {
    let firstError: unknown;
    for (const [index, blob] of this.#image.manifest.layers.entries()) {
      const diffID = this.#diffIDs[index];
      if (diffID === undefined) throw new Error(`Image "${this.#image.id}" has no diffID ${index}`);
      const result = this.#layer({ index, blob, diffID });
      result.catch((error: unknown) => {
        firstError ??= error;
        this.#failed.abort();
      });
      this.#results.push(result);
    }
    await Promise.allSettled(this.#results);
    if (firstError !== undefined) throw firstError;
    return Promise.all(this.#results);
  }

  async #layer(layer: Layer): Promise<Snapshot> {
    const { index, diffID } = layer;
    const { snapshots } = this.#deps;
    const found = await findLayer(snapshots, this.#diffIDs, index);
    if (found !== undefined) return found;
    const fetched = await this.#fetch(layer);
    try {
      const key = dependentKey(this.#diffIDs, index);
      if (index === 0) return await this.#once(key, (signal) => this.#apply(layer, [], signal));
      const alone = await this.#shared.layers.run(diffID, this.#signal, (signal) => this.#applyAlone(layer, signal));
      if (alone !== undefined) return alone;
      const lower = await Promise.all(this.#results.slice(0, index));
      return await this.#once(key, (signal) => this.#apply(layer, lower, signal));
    } catch (error) {
      if (fetched && error instanceof BuildError && error.code === 'digest-mismatch') {
        await this.#deps.content.remove(layer.blob.digest);
      }
      throw inLayer(layer.blob.digest, error);
    }
  }

  async #once(key: Digest, work: (signal: AbortSignal) => Promise<Snapshot>): Promise<Snapshot> {
    const snapshot = await this.#shared.layers.run(key, this.#signal, work);
    if (snapshot === undefined) throw new Error(`Layer "${key}" gave no snapshot`);
    return snapshot;
  }

  /** Whether the blob had to be fetched. */
  async #fetch({ index, blob, diffID }: Layer): Promise<boolean> {
    const { content, source } = this.#deps;
    if (await content.has(blob.digest)) return false;
    if (source === undefined) throw missingLayer(this.#image.id, diffID);
    const { onProgress } = this.#options;
    await this.#shared.fetches.run(blob.digest, this.#signal, (signal) =>
      this.#shared.fetchQueue.add(async () => {
        throwIfAborted(signal);
        const images = await source();
        try {
          await images.fetchLayers(this.#reference, this.#image, {
            signal,
            isNeeded: (_, candidate) => Promise.resolve(candidate === index),
            ...(onProgress && { onProgress: (digest, current, total) => onProgress(digest, current, total) }),
          });
        } catch (error) {
          if (error instanceof BuildError && ABSENT.has(error.code)) throw missingLayer(this.#image.id, diffID, error);
          throw error;
        }
      }),
    );
    return true;
  }

  /** The layer on its own, or undefined if it takes lower ones for granted. */
  async #applyAlone(layer: Layer, signal: AbortSignal): Promise<Snapshot | undefined> {
    try {
      return await this.#unpack(layer, undefined, signal);
    } catch (error) {
      // A link into a lower layer looks broken without it.
      if (error instanceof BuildError && error.code === 'invalid-archive') return undefined;
      throw error;
    }
  }

  async #apply(layer: Layer, lower: readonly Snapshot[], signal: AbortSignal): Promise<Snapshot> {
    const snapshot = await this.#unpack(layer, lower, signal);
    if (snapshot === undefined) throw new Error(`Layer "${layer.diffID}" was not unpacked`);
    return snapshot;
  }

  /** Unpacks onto `lower`, or onto nothing known when absent; then gives up, with undefined, on a layer that needs it. */
  async #unpack(
    layer: Layer,
    lower: readonly Snapshot[] | undefined,
    signal: AbortSignal,
  ): Promise<Snapshot | undefined> {
    const result = await this.#shared.applyQueue.add(async () => {
      throwIfAborted(signal);
      const { content, snapshots, files } = this.#deps;
      await using active = await snapshots.prepare();
      const applied = await applyLayer(files, await openTar(content, layer.blob.digest), active.upper, {
        signal,
        ...(lower !== undefined && { lower: lower.map(({ dir }) => dir) }),
      });
      if (applied.diffID !== layer.diffID) throw otherDiffID(layer.blob.digest, layer.diffID, applied.diffID);
      const isDependent = applied.impliedParents.length > 0;
      if (isDependent && lower === undefined) return { snapshot: undefined };
      const key = isDependent ? dependentKey(this.#diffIDs, layer.index) : layer.diffID;
      return { snapshot: await this.#record(await active.commit(), key, applied) };
    });
    return result.snapshot;
  }

  /** Remembers a new snapshot; if another process was faster, its snapshot is the one. */
  async #record(snapshot: Snapshot, key: Digest, { diffID, sizeBytes }: AppliedLayer): Promise<Snapshot> {
    const { snapshots } = this.#deps;
    await snapshots.setLayerDigest(snapshot.id, { diffID, sizeBytes });
    const first = await snapshots.setUnpacked(key, snapshot.id);
    if (first === snapshot.id) return snapshot;
    const existing = await snapshots.get(first);
    if (existing === undefined) return snapshot;
    await snapshots.remove(snapshot.id);
    return existing;
  }
}

/** The uncompressed tar in a blob; as a file where it is stored like that. */
async function openTar(content: ContentStore, digest: Digest): Promise<LayerSource> {
  const file = content.fileOf?.(digest);
  const stream = await content.open(digest);
  if (file === undefined || !(await isPlainFile(file))) return decompress(stream);
  stream.destroy();
  return { file };
}

/** An ID says nothing of where an image comes from. */
function isId(reference: string): boolean {
  return isDigest(reference) || /^[0-9a-f]{64}$/.test(reference);
}

/** The source has not got it, or does not say. */
const ABSENT = new Set<string>(['registry-not-found', 'registry-denied']);
