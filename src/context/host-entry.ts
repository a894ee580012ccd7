/** What `lstat` of the host says about an entry, as a `TreeEntry`. */
import type { BigIntStats } from 'node:fs';
import { lstatSync } from 'node:fs';
import { BuildError, errnoOf } from '../core/errors.ts';
import { encodePath, fsPath } from '../core/path-bytes.ts';
import type { TreeEntry } from '../core/tree.ts';
import { treeEntryOf } from '../core/tree-entry.ts';

/** Linux's PATH_MAX without the final zero. */
const MAX_PATH_BYTES = 4095;

/**
 * The entry at a host path, links not followed; undefined if there is none. Throws `context-not-found` where permission is lacking and
 * `limit-exceeded` for a path that cannot be opened whole.
 */
export function hostEntry(path: string): TreeEntry | undefined {
  let stats: BigIntStats | undefined;
  try {
    stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // A name that no file system can hold names nothing.
    if (errnoOf(error) === 'ENAMETOOLONG' && encodePath(path).length <= MAX_PATH_BYTES) return undefined;
    throw hostError(error, path);
  }
  return stats === undefined ? undefined : treeEntryOf(stats);
}

/** A failure to look at `path` in the user's terms, where it is one. */
export function hostError(error: unknown, path: string): unknown {
  switch (errnoOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return new BuildError('context-not-found', `Cannot read "${path}" of the build context: permission denied`, {
        hint: 'list it in .dockerignore if the build does not need it',
        cause: error,
      });
    case 'ENAMETOOLONG':
      return new BuildError(
        'limit-exceeded',
        `Cannot read "${path.slice(0, 200)}..." of the build context: the path has more than ${MAX_PATH_BYTES} bytes`,
        { cause: error },
      );
    default:
      return error;
  }
}
