/** What `lstat` of the host says about an entry, as a `TreeEntry`. */
import type { BigIntStats } from 'node:fs';
import { lstatSync } from 'node:fs';
import { BuildError, errnoOf } from '../core/errors.ts';
import { encodePath, fsPath } from '../core/path-bytes.ts';
import type { EntryType, TreeEntry } from '../core/tree.ts';

const TYPES: Readonly<Record<number, EntryType>> = {
  0o010000: 'fifo',
  0o020000: 'character',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};

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
  return stats === undefined ? undefined : entryOf(stats);
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

function entryOf(stats: BigIntStats): TreeEntry {
  const mode = Number(stats.mode);
  const type = TYPES[mode & 0o170000];
  if (type === undefined) throw new Error(`unknown file mode 0${mode.toString(8)}`);
  return {
    type,
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === 'file' ? Number(stats.size) : 0,
    mtimeNs: stats.mtimeNs,
    ...((type === 'character' || type === 'block') && { device: deviceOf(Number(stats.rdev)) }),
    ...(type !== 'directory' && stats.nlink > 1n && { hardLinkId: `${stats.dev}:${stats.ino}` }),
    statKey: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`,
  };
}

/** Major and minor number in the layout of glibc's `makedev`, as far as 32 bits go. */
function deviceOf(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
