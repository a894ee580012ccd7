/** Which part of an input an operation uses, and the digest of that part. */
import type { HashedEntry } from '../cache/content-hash.ts';
import { hashEntries } from '../cache/content-hash.ts';
import type { ContentMemo } from '../cache/content-memo.ts';
import type { Digest } from '../core/digest.ts';
import { withoutPassword } from '../core/redact.ts';
import type { FileTree } from '../core/tree.ts';
import type { CopyAction, ExecMount, Op, Selection } from '../solver/op.ts';
import type { OpContext, Vertex } from '../solver/types.ts';
import { keyDigest } from './keys.ts';
import type { SelectedSource } from './selection.ts';
import { select } from './selection.ts';

/** One use of an input. */
interface Use {
  readonly selection: Selection;
  readonly parents: boolean;
  readonly resetOwner: boolean;
}

/** The digest of all that `vertex` uses of its input `index`, whose files are `tree`. Throws `source-not-found`. */
export async function usedContentDigest(
  vertex: Vertex<Op>,
  index: number,
  tree: FileTree,
  memo: ContentMemo,
  context: OpContext,
): Promise<Digest> {
  const uses: unknown[] = [];
  for (const use of usesOf(vertex, index)) {
    const sources: unknown[] = [];
    const options = { place: placeOf(vertex, index), parents: use.parents, signal: context.signal };
    for (const source of select(tree, use.selection, options)) {
      const digest = await hashEntries(tree, hashedEntries(source), {
        memo,
        resetOwner: use.resetOwner,
        signal: context.signal,
      });
      sources.push({ name: sourceName(source), digest });
    }
    uses.push(sources);
  }
  return keyDigest('tsbuild.content.v1', uses);
}

/** The same for an input in the network, whose `content` is known without its files. */
export function usedRemoteDigest(vertex: Vertex<Op>, index: number, content: Digest): Digest {
  return keyDigest('tsbuild.remote-content.v1', { content, uses: usesOf(vertex, index) });
}

/** How messages call an input. */
export function placeOf(vertex: Vertex<Op>, index: number): string {
  const op = vertex.inputs[index]?.op;
  switch (op?.kind) {
    case 'local':
      return op.name === 'context' ? 'the build context' : `the build context "${op.name}"`;
    case 'http':
      return `"${withoutPassword(op.url)}"`;
    case 'git':
      return `the repository "${withoutPassword(op.remote)}"`;
    case 'image':
      return `the image "${op.reference}"`;
    default:
      return 'the stage it is copied from';
  }
}

/** How a COPY's sources are selected. */
export function selectForCopy(
  tree: FileTree,
  action: CopyAction,
  place: string,
  signal: AbortSignal,
): readonly SelectedSource[] {
  return select(tree, action.selection, { place, parents: action.parents, signal });
}

/** What a mount shows: one path, whatever characters it has. */
export function mountSelection(source: string): Selection {
  return { source, wildcard: false, exclude: [] };
}

function usesOf({ op, inputs }: Vertex<Op>, index: number): Use[] {
  if (op.kind === 'file') {
    return op.actions.flatMap((action) =>
      action.kind === 'copy' && action.input === index
        ? [{ selection: action.selection, parents: action.parents, resetOwner: action.resetOwner }]
        : [],
    );
  }
  if (op.kind !== 'exec') return [];
  // A client's files belong to root in the container, whoever owns them outside.
  const resetOwner = inputs[index]?.op.kind === 'local';
  return op.mounts
    .filter((mount) => usesInput(mount, index))
    .map((mount) => ({ selection: mountSelection(mount.source), parents: false, resetOwner }));
}

function usesInput(mount: ExecMount, index: number): mount is ExecMount & { kind: 'bind' | 'cache' } {
  return (mount.kind === 'bind' || mount.kind === 'cache') && mount.input === index;
}

function* hashedEntries({ entries }: SelectedSource): Generator<HashedEntry> {
  for (const { path, relative, entry } of entries) yield { path, name: relative, entry };
}

/** A matched file's name says where it goes; of a directory only the content counts. */
function sourceName(source: SelectedSource): string | undefined {
  return source.entries[0]?.entry.type === 'directory' ? undefined : source.name;
}
