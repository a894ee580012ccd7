/** Vertices for what comes from elsewhere: other stages, images, directories of the client. */
import { unreachable } from '../../core/exhaustive.ts';
import type { SourceRange } from '../../core/source.ts';
import type { GraphBuilder } from '../../solver/graph.ts';
import type { Op } from '../../solver/op.ts';
import type { Vertex } from '../../solver/types.ts';
import type { Source } from '../reach.ts';
import type { ResolvedBase } from '../types.ts';

type ImageSource = Extract<Source, { readonly kind: 'image' }>;
type LocalSource = Extract<Source, { readonly kind: 'local' }>;

/** Makes the vertices of sources; equal ones are one vertex. */
export class SourceVertices {
  readonly scratch: Vertex<Op>;
  readonly #graph: GraphBuilder<Op>;
  readonly #rootOf: (stageIndex: number) => Vertex<Op>;

  /** `rootOf` gives the file system of a stage that has been converted. */
  constructor(graph: GraphBuilder<Op>, rootOf: (stageIndex: number) => Vertex<Op>) {
    this.#graph = graph;
    this.#rootOf = rootOf;
    this.scratch = graph.add({ op: { kind: 'scratch' }, inputs: [], name: '[internal] empty file system' });
  }

  of(source: Source): Vertex<Op> {
    switch (source.kind) {
      case 'scratch':
        return this.scratch;
      case 'stage':
        return this.#rootOf(source.stage.index);
      case 'local':
        return this.#local(source);
      case 'image':
        return this.named(source, `FROM ${source.base.reference}`);
      default:
        return unreachable(source);
    }
  }

  /** An image under the name of a step, and with the place of its FROM. */
  named({ base, platform }: ImageSource, name: string, range?: SourceRange): Vertex<Op> {
    if (isEmpty(base)) return this.scratch;
    return this.#graph.add({
      op: { kind: 'image', reference: base.reference, manifest: base.manifest, platform },
      inputs: [],
      name,
      ...(range !== undefined && { locations: [range] }),
    });
  }

  /** A file system with the files of a directory of the client. */
  copied(source: LocalSource, range: SourceRange): Vertex<Op> {
    return this.#graph.add({
      op: {
        kind: 'file',
        actions: [
          {
            kind: 'copy',
            input: 1,
            selection: { source: '/', wildcard: false, exclude: [] },
            destination: '/',
            parents: false,
            unpack: false,
            resetOwner: true,
          },
        ],
      },
      inputs: [this.scratch, this.#local(source)],
      name: `[context ${source.name}] copy to an empty file system`,
      locations: [range],
    });
  }

  #local({ name }: LocalSource): Vertex<Op> {
    const title = name === 'context' ? '[internal] load build context' : `[context ${name}] load from client`;
    return this.#graph.add({ op: { kind: 'local', name }, inputs: [], name: title });
  }
}

/** Whether an image has no layers. */
function isEmpty({ config }: ResolvedBase): boolean {
  const hasLayers = config.rootfs.diff_ids.length > 0;
  return !hasLayers && !(config.history ?? []).some((entry) => entry.empty_layer !== true);
}
