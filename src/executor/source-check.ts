/**
 * Whether the client's files are still what was hashed. They are hashed for the key first and copied later; if one changes in between,
 * the key would promise what the layer does not hold.
 */
import { throwIfAborted } from '../core/errors.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import { hostEntry } from '../context/host-entry.ts';
import { sourceChanged } from './errors.ts';
import type { SelectedSource } from './selection.ts';

/** Sources that were copied from a directory of the client. */
export interface CopiedSources {
  readonly tree: FileTree;
  /** How messages call the tree. */
  readonly place: string;
  readonly sources: readonly SelectedSource[];
}

const FILES_BETWEEN_CHECKS = 1024;

/** To be called when everything is copied: throws `source-changed` for a file or a link that is not as it was when it was selected. */
export function checkUnchanged(copied: readonly CopiedSources[], signal: AbortSignal): void {
  let checked = 0;
  for (const { tree, place, sources } of copied) {
    for (const { path, entry } of sources.flatMap(({ entries }) => entries)) {
      if (!hasContent(entry)) continue;
      if (checked++ % FILES_BETWEEN_CHECKS === 0) throwIfAborted(signal);
      const now = hostEntry(tree.hostPath(path));
      if (now?.type !== entry.type || now.statKey !== entry.statKey) throw sourceChanged(path, place);
    }
  }
}

/** A directory's times change with what is beside the selection; what is in it was listed once. */
function hasContent({ type }: TreeEntry): boolean {
  return type === 'file' || type === 'symlink';
}
