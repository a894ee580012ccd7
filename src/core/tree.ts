/**
 * A read-only file tree, whatever it is made of: a build context on disk, or the merged view of a stack of layers.
 *
 * Paths are rooted and clean (`/a/b`); `/` is the tree itself. No method follows a symbolic link in the last part of
 * a path, and none follows one in the other parts either: `resolvePath` in this file does, inside the tree.
 */
import type { Digest } from './digest.ts';
import { BuildError } from './errors.ts';
import { parentPath, pathParts, rootedPath } from './paths.ts';

export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block' | 'socket';

export interface TreeEntry {
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky: at most 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** In bytes; 0 for what is not a file. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of character and block devices. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Equal for the names of one hard-linked file within the tree; absent for a file with one name. */
  readonly hardLinkId?: string;
  /** Of the capabilities and `user.*` attributes of a file or directory, where it has any and they are known: Node cannot read them. */
  readonly xattrDigest?: Digest;
  /** What a memo of this file's content may be keyed by: changes whenever the content may have changed. */
  readonly statKey: string;
}

export interface FileTree {
  /** The entry itself, or undefined if there is none. */
  lstat(path: string): TreeEntry | undefined;
  /** The names in a directory, in byte order; throws `ENOTDIR`-like plain errors only on misuse. */
  readdir(path: string): string[];
  readlink(path: string): string;
  /** Where the bytes of a file are, on the host. The path stays valid as long as the tree is in use. */
  hostPath(path: string): string;
}

/** As much of a tree as following links needs. */
export interface LinkedTree {
  lstat(path: string): Pick<TreeEntry, 'type'> | undefined;
  readlink(path: string): string;
}

const MAX_LINKS = 255;

/**
 * Follows every symbolic link in `path` inside the tree, the last part included unless `followLast` is false.
 * Parts that don't exist are kept as they are. Throws `path-conflict` on a loop.
 */
export function resolvePath(tree: LinkedTree, path: string, followLast = true): string {
  let pending = pathParts(rootedPath(path));
  let current = '/';
  let links = 0;
  while (pending.length > 0) {
    const [part = '', ...rest] = pending;
    pending = rest;
    if (part === '.') continue;
    if (part === '..') {
      current = parentPath(current);
      continue;
    }
    const next = current === '/' ? `/${part}` : `${current}/${part}`;
    if ((pending.length > 0 || followLast) && tree.lstat(next)?.type === 'symlink') {
      if (++links > MAX_LINKS)
        throw new BuildError('path-conflict', `Cannot resolve "${path}": too many levels of symbolic links`);
      const target = tree.readlink(next);
      if (target.startsWith('/')) current = '/';
      // Not cleaned by text: `link/..` is the parent of what the link points to.
      pending = [...pathParts(target), ...pending];
      continue;
    }
    current = next;
  }
  return current;
}
