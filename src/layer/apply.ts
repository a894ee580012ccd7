/**
 * Unpacking a layer's tar into an empty layer directory in overlay form (image-spec/layer.md#applying-changesets).
 *
 * Other engines unpack onto the merged file system below, so that a path may lead through symbolic links of lower layers and parents
 * that the tar leaves out are what they are below. Here only the layer itself is written: what the tar takes for granted is looked up in
 * the lower tree, and reported, because the result then depends on it.
 */
import { createHash } from 'node:crypto';
import type { DiffID } from '../core/digest.ts';
import { asDiffID, digestOfHash } from '../core/digest.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { FileTree } from '../core/tree.ts';
import type { FileContent, Metadata, NativeFiles, TreeWriter } from '../runtime-native/tree-types.ts';
import { invalidArchive, pathEscape } from './errors.ts';
import { LayerPaths } from './layer-paths.ts';
import type { TarEntry, TarLimits } from './reader.ts';
import { readTar } from './reader.ts';
import { isMetadataPath, meaningOf } from './whiteout.ts';

export interface ApplyOptions {
  /** What is below the layer. Without it, parents that the tar leaves out are made 0755 and owned by root. */
  readonly lower?: FileTree;
  readonly signal?: AbortSignal;
  readonly limits?: TarLimits;
}

export interface AppliedLayer {
  /** Of exactly the bytes that came. */
  readonly diffID: DiffID;
  readonly sizeBytes: number;
  /**
   * Paths of the layer, in byte order, that the tar takes for granted. If there are any, the directory is right only above the same
   * lower layers and is to be kept by its chain ID.
   */
  readonly impliedParents: string[];
}

const REPLACE = { existing: 'replace' } as const;

/** Fills `upper`; what is there after a failure is for the caller to remove. Throws `invalid-archive`, `path-escape` or `limit-exceeded`. */
export async function applyLayer(
  files: NativeFiles,
  tar: AsyncIterable<Uint8Array>,
  upper: string,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  async function* hashed(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of tar) {
      throwIfAborted(options.signal);
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  }
  const root = { kind: 'directory', path: upper } as const;
  await using writer = files.openWriter(root, options.signal === undefined ? {} : { signal: options.signal });
  const unpacking = new Unpacking(writer, options.lower);
  for await (const entry of readTar(hashed(), options.limits)) await unpacking.add(entry);
  const impliedParents = await unpacking.finish();
  await writer.close();
  return { diffID: asDiffID(digestOfHash(hash)), sizeBytes, impliedParents };
}

class Unpacking {
  private readonly writer: TreeWriter;
  private readonly lower: FileTree | undefined;
  private readonly paths: LayerPaths;

  constructor(writer: TreeWriter, lower: FileTree | undefined) {
    this.writer = writer;
    this.lower = lower;
    this.paths = new LayerPaths(lower);
  }

  async add(entry: TarEntry): Promise<void> {
    const parts = partsOf(entry.path);
    const name = parts.pop();
    if (name === undefined) return this.addRoot(entry);
    if (isMetadataPath([...parts, name])) return;
    const meaning = meaningOf(name);
    if (meaning.kind === 'metadata') return;
    const dir = this.paths.resolveDir(parts);
    switch (meaning.kind) {
      case 'whiteout':
        this.paths.addWhiteout(childOf(dir, meaning.name));
        return;
      case 'opaque':
        await this.makeParents(dir);
        this.paths.addOpaque(dir);
        return;
      case 'plain':
        await this.makeParents(dir);
        return this.addEntry(childOf(dir, name), entry);
    }
  }

  /** Does what has to wait for the last entry, and returns what was implied. */
  async finish(): Promise<string[]> {
    // Whiteouts hide what is below the layer, never what is in it, wherever they stand in the tar (layer.md#whiteouts).
    for (const path of this.paths.whiteouts()) {
      const present = this.paths.get(path);
      if (present?.kind === 'directory') await this.writer.opaque(path);
      else if (present === undefined) {
        await this.makeParents(parentOf(path));
        await this.writer.whiteout(path);
      }
    }
    for (const path of this.paths.opaqueDirs()) await this.writer.opaque(path);
    return this.paths.implied();
  }

  private async addRoot(entry: TarEntry): Promise<void> {
    if (entry.type !== 'directory') throw invalidArchive(`"${entry.path}" is no directory`);
    await this.writer.directory('/', metadataOf(entry), REPLACE);
  }

  private async addEntry(path: string, entry: TarEntry): Promise<void> {
    const metadata = metadataOf(entry);
    switch (entry.type) {
      case 'directory':
        this.paths.add(path, { kind: 'directory' });
        return this.writer.directory(path, metadata, REPLACE);
      case 'file':
        this.paths.add(path, { kind: 'other' });
        return this.writer.file(path, metadata, contentOf(entry), REPLACE);
      case 'symlink':
        if (entry.linkPath === '') throw invalidArchive(`the symbolic link "${entry.path}" has no target`);
        this.paths.add(path, { kind: 'symlink', target: entry.linkPath });
        return this.writer.symlink(path, entry.linkPath, metadata, REPLACE);
      case 'link':
        return this.addLink(path, entry);
      case 'fifo':
      case 'character':
      case 'block':
        this.paths.add(path, { kind: 'other' });
        return this.writer.node(path, entry.type, entry.device, metadata, REPLACE);
    }
  }

  private async addLink(path: string, entry: TarEntry): Promise<void> {
    const parts = partsOf(entry.linkPath);
    const name = parts.pop();
    if (name === undefined) throw invalidArchive(`the hard link "${entry.path}" has no target`);
    const target = childOf(this.paths.resolveDir(parts), name);
    if (target === path) return;
    const present = this.paths.get(target) ?? (await this.copyUp(target));
    if (present === undefined || present.kind === 'directory') {
      throw invalidArchive(
        `the hard link "${entry.path}" has the target "${entry.linkPath}", which is no file of the layer`,
      );
    }
    this.paths.add(path, present);
    return this.writer.link(path, target, REPLACE);
  }

  /** Brings a file of a lower layer into this one, as writing to it would. */
  private async copyUp(path: string): Promise<{ readonly kind: 'other' } | undefined> {
    const entry = this.paths.lowerEntry(path);
    if (this.lower === undefined || entry?.type !== 'file') return undefined;
    await this.makeParents(parentOf(path));
    await this.writer.file(path, entry, { kind: 'host', path: this.lower.hostPath(path) }, REPLACE);
    const added = { kind: 'other' } as const;
    this.paths.add(path, added);
    this.paths.addImplied(path);
    return added;
  }

  private async makeParents(dir: string): Promise<void> {
    for (const { path, metadata } of this.paths.missingParents(dir)) {
      this.paths.add(path, { kind: 'directory' });
      this.paths.addImplied(path);
      await this.writer.directory(path, metadata, REPLACE);
    }
  }
}

/** The names in a path of the archive; absolute paths are taken as relative to the root. */
function partsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw pathEscape(path);
  return parts;
}

function childOf(dir: string, name: string): string {
  return dir === '/' ? `/${name}` : `${dir}/${name}`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** Overlay's own attributes say what a layer hides; only whiteouts may say that in a tar. */
function isReserved(name: string): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}

function metadataOf(entry: TarEntry): Metadata {
  const { mode, uid, gid, mtimeNs, xattrs } = entry;
  if (xattrs.size === 0) return { mode, uid, gid, mtimeNs };
  return { mode, uid, gid, mtimeNs, xattrs: new Map([...xattrs].filter(([name]) => !isReserved(name))) };
}

function contentOf(entry: TarEntry): FileContent {
  if (entry.buffered !== undefined) return { kind: 'bytes', data: entry.buffered };
  return { kind: 'stream', sizeBytes: entry.size, chunks: entry.content };
}
