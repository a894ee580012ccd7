/**
 * The file system that a file operation changes: what it was, and what has been asked of the writer so far.
 *
 * The writer works behind, in a process of its own, so what an earlier action did must be known here. Since the tree below cannot change,
 * every conflict is found before it is asked for, and reported in the words of COPY.
 */
import { parentPath, pathParts } from '../core/paths.ts';
import type { EntryType, FileTree, LinkedTree } from '../core/tree.ts';
import { resolvePath } from '../core/tree.ts';
import type { FileContent, Metadata, TreeWriter } from '../runtime-native/tree-types.ts';
import { isADirectory, notADirectory } from './errors.ts';
import type { Ids } from './owner.ts';

/** What is known of an entry that may have just been made. */
export interface DestinationEntry {
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

interface Change extends DestinationEntry {
  /** Of a symbolic link. */
  readonly target?: string;
}

export interface NewDirectory extends Ids {
  readonly mode: number;
}

/** As much of the tree below as a destination looks at. */
export type DestinationBase = Pick<FileTree, 'lstat' | 'readlink'>;

/** What a destination writes with; tests put a recorder in its place. */
export type DestinationWriter = Pick<TreeWriter, 'directory' | 'file' | 'symlink' | 'link' | 'node' | 'remove'>;

export class Destination implements LinkedTree {
  private readonly base: DestinationBase;
  private readonly writer: DestinationWriter;
  private readonly changes = new Map<string, Change>();
  /** Paths below which the base no longer shows. */
  private readonly masked = new Set<string>();

  constructor(base: DestinationBase, writer: DestinationWriter) {
    this.base = base;
    this.writer = writer;
  }

  /** The entry at a path without links in its parents. */
  lstat(path: string): DestinationEntry | undefined {
    return this.changes.get(path) ?? (this.isMasked(path) ? undefined : this.base.lstat(path));
  }

  /** Follows links inside the tree; parts that don't exist are kept. Throws `path-conflict` on a loop. */
  resolve(path: string, followLast = true): string {
    return resolvePath(this, path, followLast);
  }

  /** Makes a resolved path a directory, with parents as needed; what exists is left alone. */
  async makeDirectories(path: string, made: NewDirectory): Promise<void> {
    let current = '';
    for (const part of pathParts(path)) {
      current = `${current}/${part}`;
      const entry = this.lstat(current);
      if (entry === undefined) await this.directory(current, made);
      else if (entry.type !== 'directory') throw notADirectory(current);
    }
  }

  /** A directory with this metadata, made or changed; throws `path-conflict` if something else is there. */
  async directory(path: string, metadata: Metadata): Promise<void> {
    const existing = this.lstat(path);
    if (existing !== undefined && existing.type !== 'directory') throw notADirectory(path);
    const { mode, uid, gid } = metadata;
    this.changes.set(path, { type: 'directory', mode, uid, gid });
    await this.writer.directory(path, metadata, { existing: 'update' });
  }

  /** Gives a directory a time without changing anything else of it. */
  async touchDirectory(path: string, mtimeNs: bigint): Promise<void> {
    const existing = this.lstat(path);
    if (existing?.type !== 'directory') throw notADirectory(path);
    const { mode, uid, gid } = existing;
    await this.writer.directory(path, { mode, uid, gid, mtimeNs }, { existing: 'update' });
  }

  async file(path: string, metadata: Metadata, content: FileContent): Promise<void> {
    this.replace(path, { ...metadata, type: 'file' });
    await this.writer.file(path, metadata, content, { existing: 'update' });
  }

  async symlink(path: string, target: string, metadata: Metadata): Promise<void> {
    this.replace(path, { ...metadata, type: 'symlink', target });
    await this.writer.symlink(path, target, metadata, { existing: 'update' });
  }

  /** A further name for an entry that isn't a directory. */
  async link(path: string, target: string): Promise<void> {
    const linked = this.lstat(target);
    if (linked === undefined) throw new Error(`"${target}" does not exist`);
    if (path === target) return;
    this.replace(path, linked.type === 'symlink' ? { ...linked, target: this.readlink(target) } : linked);
    await this.writer.link(path, target, { existing: 'update' });
  }

  async node(
    path: string,
    type: 'fifo' | 'character' | 'block',
    device: { readonly major: number; readonly minor: number },
    metadata: Metadata,
  ): Promise<void> {
    this.replace(path, { ...metadata, type });
    await this.writer.node(path, type, device, metadata, { existing: 'update' });
  }

  /** Removes whatever is at `path`, with everything below. */
  async remove(path: string): Promise<void> {
    this.masked.add(path);
    for (const changed of this.changes.keys()) {
      if (changed === path || changed.startsWith(`${path}/`)) this.changes.delete(changed);
    }
    await this.writer.remove(path);
  }

  readlink(path: string): string {
    return this.changes.get(path)?.target ?? this.base.readlink(path);
  }

  private replace(path: string, change: Change): void {
    if (this.lstat(path)?.type === 'directory') throw isADirectory(path);
    this.changes.set(path, change);
  }

  private isMasked(path: string): boolean {
    if (this.masked.size === 0) return false;
    for (let current = path; ; current = parentPath(current)) {
      if (this.masked.has(current)) return true;
      if (current === '/') return false;
    }
  }
}
