/** A downloaded file as a tree of its own: one file below the root, readable by its owner alone. */
import type { FileTree, TreeEntry } from '../core/tree.ts';
import type { Download } from './http.ts';

/** The tree with `file` at `/<name>`; its bytes are at `hostPath`. */
export function downloadTree(file: Download, name: string, hostPath: string): FileTree {
  const mtimeNs = BigInt(file.modifiedAt) * 1_000_000_000n;
  const common = { uid: 0, gid: 0, mtimeNs, statKey: `download:${file.digest}` };
  const entries = new Map<string, TreeEntry>([
    ['/', { ...common, type: 'directory', mode: 0o755, size: 0 }],
    [`/${name}`, { ...common, type: 'file', mode: 0o600, size: file.sizeBytes }],
  ]);
  return {
    lstat: (path) => entries.get(path),
    readdir: (path) => (path === '/' ? [name] : notThere(path)),
    readlink: notThere,
    hostPath: (path) => (path === `/${name}` ? hostPath : notThere(path)),
  };
}

function notThere(path: string): never {
  throw new Error(`"${path}" is not what was downloaded`);
}
