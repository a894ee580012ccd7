/** A file tree in memory, written down as a table. */
import { compareBytes, parentPath } from '../../src/core/paths.ts';
import type { FileTree, TreeEntry } from '../../src/core/tree.ts';

/** `'text'`: a file; `null`: a directory; `{ link }`, or any part of an entry. Missing parents are directories. */
export type ToyEntry =
  string | null | { readonly link: string } | (Partial<TreeEntry> & { readonly type: TreeEntry['type'] });

export class ToyTree implements FileTree {
  readonly contents = new Map<string, string>();
  private readonly entries = new Map<string, TreeEntry>();
  private readonly links = new Map<string, string>();

  constructor(table: Readonly<Record<string, ToyEntry>> = {}) {
    this.entries.set('/', entry('directory', { mode: 0o755 }));
    for (const [path, value] of Object.entries(table)) this.add(path, value);
  }

  add(path: string, value: ToyEntry): void {
    for (let parent = parentPath(path); !this.entries.has(parent); parent = parentPath(parent)) {
      this.entries.set(parent, entry('directory', { mode: 0o755 }));
    }
    if (value === null) this.entries.set(path, entry('directory', { mode: 0o755 }));
    else if (typeof value === 'string') {
      this.contents.set(path, value);
      this.entries.set(path, entry('file', { size: value.length, mode: 0o644 }));
    } else if ('link' in value) {
      this.links.set(path, value.link);
      this.entries.set(path, entry('symlink', { mode: 0o777 }));
    } else this.entries.set(path, entry(value.type, value));
  }

  lstat(path: string): TreeEntry | undefined {
    return this.entries.get(path);
  }

  readdir(path: string): string[] {
    if (this.entries.get(path)?.type !== 'directory') throw new Error(`ENOTDIR: ${path}`);
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.entries.keys()]
      .filter((other) => other !== '/' && other.startsWith(prefix) && !other.slice(prefix.length).includes('/'))
      .map((other) => other.slice(prefix.length))
      .sort(compareBytes);
  }

  readlink(path: string): string {
    const target = this.links.get(path);
    if (target === undefined) throw new Error(`EINVAL: ${path}`);
    return target;
  }

  hostPath(path: string): string {
    return `/toy${path}`;
  }
}

function entry(type: TreeEntry['type'], rest: Partial<TreeEntry>): TreeEntry {
  return { mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 1_000_000_000n, statKey: '', ...rest, type };
}
