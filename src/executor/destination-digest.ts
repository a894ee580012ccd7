/**
 * What a linked copy depends on in the file system that it changes: whatever it asks of it.
 *
 * The copy is rehearsed with a writer that writes nothing, so the rules of COPY are in one place. Two file systems that answer alike get the
 * same layer, whatever else is in them: a linked copy is found again on another base, and its layer is put on that one.
 */
import type { Digest } from '../core/digest.ts';
import { compareBytes } from '../core/paths.ts';
import type { TreeEntry } from '../core/tree.ts';
import type { FileOp, Op } from '../solver/op.ts';
import type { OpContext, Vertex } from '../solver/types.ts';
import type { DestinationBase, DestinationWriter } from './destination.ts';
import { Destination } from './destination.ts';
import { performActions } from './file.ts';
import { keyDigest } from './keys.ts';
import { resolveOwner } from './owner.ts';
import type { ResultReader } from './results.ts';
import type { BuildResult } from './types.ts';

/**
 * The digest of what `op` depends on in input 0: the entries on the way to its destination and those that it meets there, and the ids that
 * names of owners stand for. Fails as the copy itself would.
 */
export async function destinationDigest(
  vertex: Vertex<Op>,
  op: FileOp,
  inputs: readonly BuildResult[],
  reader: Pick<ResultReader, 'tree'>,
  context: OpContext,
): Promise<Digest> {
  const [root] = inputs;
  if (root === undefined) throw new Error('A file operation needs a root');
  const base = await reader.tree(root, context);
  const seen = new SeenBase(base);
  const destination = new Destination(seen, NOTHING_WRITTEN);
  // Warnings are for the copy itself.
  const silent: OpContext = { ...context, log: () => undefined };
  await performActions(op, { vertex, inputs, reader, base, destination, context: silent, copied: [] });
  const owners = op.actions.map(({ owner }) => owner && resolveOwner(base, owner, () => undefined));
  return keyDigest('tsbuild.destination.v1', { facts: seen.facts(), owners: owners.map((owner) => owner ?? null) });
}

/** A tree that remembers what it was asked for. */
class SeenBase implements DestinationBase {
  private readonly base: DestinationBase;
  private readonly seen = new Map<string, readonly (string | number)[]>();

  constructor(base: DestinationBase) {
    this.base = base;
  }

  lstat(path: string): TreeEntry | undefined {
    const entry = this.base.lstat(path);
    if (!this.seen.has(path)) this.seen.set(path, factsOf(entry));
    return entry;
  }

  readlink(path: string): string {
    const target = this.base.readlink(path);
    this.seen.set(path, ['symlink', target]);
    return target;
  }

  facts(): unknown[] {
    return [...this.seen].sort(([a], [b]) => compareBytes(a, b));
  }
}

/** A directory may become part of the layer as it is; anything else is passed through or replaced. */
function factsOf(entry: TreeEntry | undefined): readonly (string | number)[] {
  if (entry === undefined) return ['none'];
  const { type, mode, uid, gid, xattrDigest } = entry;
  return type === 'directory' ? [type, mode, uid, gid, ...(xattrDigest === undefined ? [] : [xattrDigest])] : [type];
}

const nothing = async (): Promise<void> => undefined;

const NOTHING_WRITTEN: DestinationWriter = {
  directory: nothing,
  file: nothing,
  symlink: nothing,
  link: nothing,
  node: nothing,
  remove: nothing,
};
