/** A file system with nothing in it but its root. */
import type { FileTree, TreeEntry } from '../core/tree.ts';

const ROOT: TreeEntry = { type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n, statKey: '' };

export class EmptyTree implements FileTree {
  lstat(path: string): TreeEntry | undefined {
    return path === '/' ? ROOT : undefined;
  }

  readdir(): string[] {
    return [];
  }

  readlink(path: string): string {
    throw new Error(`ENOENT: "${path}" does not exist`);
  }

  hostPath(path: string): string {
    throw new Error(`"${path}" is not on the host`);
  }
}
