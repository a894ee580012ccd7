/**
 * ADD of an archive: its entries into the destination directory, as tar would unpack them there.
 *
 * The destination is the archive's root: absolute names and links begin there, and what would leave it is refused. A directory that
 * exists is merged and takes the entry's metadata; everything else that is in the way is replaced, also a link to a directory by a
 * directory.
 */
import { createReadStream } from 'node:fs';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { fsPath } from '../core/path-bytes.ts';
import { cleanPath, parentPath, pathParts } from '../core/paths.ts';
import { unreachable } from '../core/exhaustive.ts';
import { decompress } from '../layer/compress.ts';
import type { TarEntry } from '../layer/reader.ts';
import { DEFAULT_TAR_LIMITS, readTar, startsLikeTar } from '../layer/reader.ts';
import type { FileContent, Metadata } from '../runtime-native/tree-types.ts';
import type { CopyAction } from '../solver/op.ts';
import type { CopyContext } from './copy.ts';
import { newDirectory } from './copy.ts';
import type { Destination } from './destination.ts';
import { archiveEscape, brokenArchive } from './errors.ts';
import type { SelectedSource } from './selection.ts';

const MAX_LINKS = 255;

/**
 * Unpacks a source if it is an archive, told by its content; false if it is not, and is to be copied. Throws `invalid-archive` and
 * `path-escape`.
 */
export async function unpackArchive(
  action: CopyAction,
  source: SelectedSource,
  context: CopyContext,
): Promise<boolean> {
  const host = context.tree.hostPath(source.path);
  if (!(await startsLikeTar(decompress(open(host))))) return false;
  const { destination, owner, signal } = context;
  const root = destination.resolve(cleanPath(`/${action.destination}`));
  await destination.makeDirectories(root, newDirectory(undefined, owner));
  const unpacking = new Unpacking(source.path, root, context);
  try {
    for await (const entry of readTar(decompress(open(host)), DEFAULT_TAR_LIMITS, 'stop')) {
      throwIfAborted(signal);
      await unpacking.add(entry);
    }
  } catch (error) {
    throw error instanceof BuildError && error.code === 'invalid-archive' ? brokenArchive(source.path, error) : error;
  }
  return true;
}

function open(host: string): AsyncIterable<Uint8Array> {
  return createReadStream(fsPath(host), { highWaterMark: 1 << 18 });
}

class Unpacking {
  private readonly archive: string;
  private readonly root: string;
  private readonly context: CopyContext;
  private readonly destination: Destination;

  constructor(archive: string, root: string, context: CopyContext) {
    this.archive = archive;
    this.root = root;
    this.context = context;
    this.destination = context.destination;
  }

  async add(entry: TarEntry): Promise<void> {
    const relative = this.relative(entry.path);
    // The destination keeps its own metadata.
    if (relative === '') return;
    const isDirectory = entry.type === 'directory';
    const path = this.resolve(entry.path, relative);
    await this.destination.makeDirectories(parentPath(path), newDirectory(undefined, undefined));
    const existing = this.destination.lstat(path)?.type;
    if (existing !== undefined && (existing === 'directory') !== isDirectory) await this.destination.remove(path);
    await this.write(path, entry);
  }

  private async write(path: string, entry: TarEntry): Promise<void> {
    const { destination } = this;
    const metadata = this.metadataOf(entry);
    switch (entry.type) {
      case 'directory':
        return destination.directory(path, metadata);
      case 'file':
        return destination.file(path, metadata, contentOf(entry));
      case 'symlink':
        return destination.symlink(path, entry.linkPath, metadata);
      case 'link':
        return destination.link(path, this.linkTarget(entry));
      case 'fifo':
      case 'character':
      case 'block':
        return destination.node(path, entry.type, entry.device, metadata);
      default:
        return unreachable(entry.type);
    }
  }

  private linkTarget(entry: TarEntry): string {
    const path = this.resolve(entry.path, this.relative(entry.linkPath));
    const type = this.destination.lstat(path)?.type;
    if (type !== undefined && type !== 'directory') return path;
    throw brokenArchive(
      this.archive,
      new Error(`"${entry.path}" is a hard link to "${entry.linkPath}", which is no file`),
    );
  }

  private metadataOf(entry: TarEntry): Metadata {
    const { uid, gid } = this.context.owner ?? entry;
    const xattrs = entry.xattrs.size > 0 ? { xattrs: entry.xattrs } : {};
    return { mode: entry.mode, uid, gid, mtimeNs: entry.mtimeNs, ...xattrs };
  }

  /** A name of the archive below its root, `''` for the root. */
  private relative(name: string): string {
    const cleaned = cleanPath(name);
    if (cleaned === '..' || cleaned.startsWith('../')) throw archiveEscape(this.archive, name);
    return cleaned === '.' ? '' : cleaned.replace(/^\//, '');
  }

  /** The path of an entry in the file system, links on the way followed below the archive's root. */
  private resolve(name: string, relative: string): string {
    let pending = pathParts(relative);
    const resolved: string[] = [];
    for (let links = 0; pending.length > 0;) {
      const [part = '', ...rest] = pending;
      pending = rest;
      if (part === '.') continue;
      if (part === '..') {
        // At `/` there is nothing outside, as for a process in the image.
        if (resolved.pop() === undefined && this.root !== '/') throw archiveEscape(this.archive, name);
        continue;
      }
      const path = this.pathOf([...resolved, part]);
      if (pending.length === 0 || this.destination.lstat(path)?.type !== 'symlink') {
        resolved.push(part);
        continue;
      }
      if (++links > MAX_LINKS) throw brokenArchive(this.archive, new Error(`"${name}" leads through a loop of links`));
      const target = this.destination.readlink(path);
      if (target.startsWith('/')) resolved.length = 0;
      pending = [...pathParts(target), ...pending];
    }
    return this.pathOf(resolved);
  }

  private pathOf(parts: readonly string[]): string {
    return parts.length === 0 ? this.root : `${this.root === '/' ? '' : this.root}/${parts.join('/')}`;
  }
}

function contentOf(entry: TarEntry): FileContent {
  if (entry.buffered !== undefined) return { kind: 'bytes', data: entry.buffered };
  return { kind: 'stream', sizeBytes: entry.size, chunks: entry.content };
}
