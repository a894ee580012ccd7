/** What is known of a layer while it is unpacked: its entries, what it hides, and what it takes for granted. */
import { compareBytes } from '../core/paths.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import type { Metadata } from '../runtime-native/tree-types.ts';
import { invalidArchive } from './errors.ts';

export type Present =
  { readonly kind: 'directory' } | { readonly kind: 'symlink'; readonly target: string } | { readonly kind: 'other' };

const MAX_LINKS = 255;
/** For directories that nobody describes. The time is fixed so that the same tar gives the same directory. */
const DEFAULT_PARENT: Metadata = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n };

/** All paths are rooted and have no symbolic links in their parents, in the layer and below it. */
export class LayerPaths {
  private readonly lower: FileTree | undefined;
  private readonly present = new Map<string, Present>();
  private readonly hidden = new Set<string>();
  private readonly opaque = new Set<string>();
  private readonly impliedPaths = new Set<string>();
  /** The directory that the last entry was in: the next one is often beside it. */
  private last: { readonly key: string; readonly dir: string } | undefined;

  constructor(lower: FileTree | undefined) {
    this.lower = lower;
  }

  get(path: string): Present | undefined {
    return this.present.get(path);
  }

  /** Records an entry of the tar. What it replaces is forgotten, with everything below. */
  add(path: string, entry: Present): void {
    const before = this.present.get(path);
    this.impliedPaths.delete(path);
    if (before === entry || (before?.kind === 'directory' && entry.kind === 'directory')) return;
    if (before?.kind === 'directory') this.forgetBelow(path);
    if (entry.kind === 'symlink' || before !== undefined) this.last = undefined;
    this.present.set(path, entry);
  }

  addImplied(path: string): void {
    this.impliedPaths.add(path);
  }

  addWhiteout(path: string): void {
    this.hidden.add(path);
    this.last = undefined;
  }

  addOpaque(dir: string): void {
    this.opaque.add(dir);
    this.last = undefined;
  }

  whiteouts(): string[] {
    return [...this.hidden].sort(compareBytes);
  }

  opaqueDirs(): string[] {
    return [...this.opaque]
      .filter((path) => path === '/' || this.present.get(path)?.kind === 'directory')
      .sort(compareBytes);
  }

  implied(): string[] {
    return [...this.impliedPaths].sort(compareBytes);
  }

  /** Where the directory `parts` is when the symbolic links on the way are followed, in the layer and in what is below it. */
  resolveDir(parts: readonly string[]): string {
    const key = parts.join('/');
    if (this.last?.key === key) return this.last.dir;
    let pending = [...parts].reverse();
    let current = '';
    for (let links = 0; pending.length > 0;) {
      const part = pending.pop() ?? '';
      if (part === '..') {
        current = current.slice(0, Math.max(0, current.lastIndexOf('/')));
        continue;
      }
      const next = `${current}/${part}`;
      const target = this.linkTarget(next);
      if (target === undefined) {
        current = next;
        continue;
      }
      if (++links > MAX_LINKS) throw invalidArchive(`"${key}" has too many levels of symbolic links`);
      if (target.startsWith('/')) current = '';
      pending = [
        ...pending,
        ...target
          .split('/')
          .filter((name) => name !== '' && name !== '.')
          .reverse(),
      ];
    }
    const dir = current === '' ? '/' : current;
    this.last = { key, dir };
    return dir;
  }

  /** The directories of `dir` that the layer doesn't have yet, from the top, each with what it is to be. */
  *missingParents(dir: string): Generator<{ readonly path: string; readonly metadata: Metadata }> {
    if (dir === '/' || this.present.get(dir)?.kind === 'directory') return;
    for (let slash = dir.indexOf('/', 1); ; slash = dir.indexOf('/', slash + 1)) {
      const path = slash === -1 ? dir : dir.slice(0, slash);
      if (this.present.get(path)?.kind !== 'directory') {
        const below = this.lowerEntry(path);
        yield { path, metadata: below?.type === 'directory' ? below : DEFAULT_PARENT };
      }
      if (slash === -1) return;
    }
  }

  /** What is at `path` below the layer, as far as the layer does not hide it. */
  lowerEntry(path: string): TreeEntry | undefined {
    return this.isHidden(path) ? undefined : this.lower?.lstat(path);
  }

  private linkTarget(path: string): string | undefined {
    const present = this.present.get(path);
    if (present !== undefined) return present.kind === 'symlink' ? present.target : undefined;
    if (this.lower === undefined || this.lowerEntry(path)?.type !== 'symlink') return undefined;
    this.addImplied(path);
    return this.lower.readlink(path);
  }

  private isHidden(path: string): boolean {
    if (this.lower === undefined) return true;
    for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
      const kind = this.present.get(at)?.kind;
      if (this.hidden.has(at) || (at !== path && (this.opaque.has(at) || kind === 'symlink' || kind === 'other')))
        return true;
    }
    return this.opaque.has('/');
  }

  private forgetBelow(path: string): void {
    const prefix = `${path}/`;
    for (const paths of [this.present, this.hidden, this.opaque, this.impliedPaths]) {
      for (const other of paths.keys()) if (other.startsWith(prefix)) paths.delete(other);
    }
    this.opaque.delete(path);
  }
}
