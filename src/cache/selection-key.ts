/**
 * A selection's key in the content memo: all that its digest is made of, with what `lstat` says of a file in the place of its content. So
 * an unchanged selection costs the walk that lists it, and neither a look-up for each file nor the order of its names.
 */
import type { FileTree } from '../core/tree.ts';
import { BatchedDigest } from './batched-digest.ts';
import type { HashedEntry } from './content-hash.ts';

const VERSION = 'tsbuild.selection.v1';

/** In the order of `entries`: another order is another key. */
export function selectionKey(tree: FileTree, entries: readonly HashedEntry[], resetOwner: boolean): string {
  const digest = new BatchedDigest();
  digest.add(`${VERSION}\0`);
  for (const { path, name, entry } of entries) {
    const { type, mode, hardLinkId = '', device, xattrDigest = '' } = entry;
    const owner = resetOwner ? '' : `${entry.uid}:${entry.gid}`;
    const numbers = device === undefined ? '' : `${device.major}:${device.minor}`;
    // A directory's size and times say nothing about the selection.
    const state = type === 'file' ? `${entry.size} ${entry.statKey}` : type === 'symlink' ? tree.readlink(path) : '';
    digest.add(
      `${name}\0${type}\0${mode.toString(8)}\0${owner}\0${numbers}\0${hardLinkId}\0${xattrDigest}\0${state}\0`,
    );
  }
  return `selection:${digest.end()}`;
}
