/** A build context from a stream: a tar, unpacked into a directory of its own, or a Dockerfile when it is not one. */
import { chmodSync, linkSync, lutimesSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { fsPath } from '../core/path-bytes.ts';
import { cleanPath, parentPath } from '../core/paths.ts';
import { decompress, detectCompression } from '../layer/compress.ts';
import { BLOCK, isZeroBlock, parseHeader } from '../layer/header.ts';
import type { TarEntry } from '../layer/reader.ts';
import { readTar } from '../layer/reader.ts';

export interface StreamContext extends AsyncDisposable {
  /** Absolute host path of the context's directory; empty if the stream was a Dockerfile. Disposing removes it. */
  readonly path: string;
  /** The text, when the stream was no archive. */
  readonly dockerfile?: string;
}

export interface StreamContextOptions {
  readonly signal: AbortSignal;
  /** Where the directory is made; default: the system's directory for temporary files. */
  readonly parent?: string;
}

/** A Dockerfile is smaller; what is larger and not a tar is a mistake. */
const MAX_DOCKERFILE_BYTES = 16 << 20;

/**
 * Reads `stream` to its end. Owners are dropped, modes and times kept. Throws `invalid-archive`, `path-escape`, `limit-exceeded`, and
 * `unsupported` for devices and pipes; nothing is left then.
 */
export async function openStreamContext(
  stream: AsyncIterable<Uint8Array>,
  options: StreamContextOptions,
): Promise<StreamContext> {
  const path = await mkdtemp(join(options.parent ?? tmpdir(), 'tsbuild-context-'));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
  try {
    const { head, all } = await peek(stream, options.signal);
    if (isArchive(head)) {
      await unpack(all, path, options.signal);
      return { path, [Symbol.asyncDispose]: remove };
    }
    return { path, dockerfile: await readText(all), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function isArchive(head: Buffer): boolean {
  if (detectCompression(head) !== 'none') return true;
  if (head.length < BLOCK) return false;
  const block = head.subarray(0, BLOCK);
  if (isZeroBlock(block)) return true;
  try {
    parseHeader(block);
    return true;
  } catch (error) {
    if (error instanceof BuildError) return false;
    throw error;
  }
}

async function unpack(tar: AsyncIterable<Uint8Array>, root: string, signal: AbortSignal): Promise<void> {
  const unpacking = new ContextUnpacking(root);
  for await (const entry of readTar(decompress(tar))) {
    throwIfAborted(signal);
    await unpacking.add(entry);
  }
  unpacking.finish();
}

interface DirectoryMetadata {
  readonly mode: number;
  readonly mtimeNs: bigint;
}

/** Nobody else can reach the directory, so what was unpacked into it is known without looking. */
class ContextUnpacking {
  private readonly root: string;
  private readonly kinds = new Map<string, TarEntry['type']>([['.', 'directory']]);
  /** Set last: a directory may forbid writing, and writing changes its time. */
  private readonly directories = new Map<string, DirectoryMetadata>();

  constructor(root: string) {
    this.root = root;
  }

  async add(entry: TarEntry): Promise<void> {
    const path = relativePath(entry.path, entry.path);
    if (path === '.') return;
    this.makeParents(path);
    this.makeRoom(path, entry.type);
    await this.write(path, entry);
    this.kinds.set(path, entry.type);
  }

  finish(): void {
    for (const [path, { mode, mtimeNs }] of [...this.directories].reverse()) {
      chmodSync(this.host(path), mode);
      this.setTime(path, mtimeNs);
    }
  }

  private async write(path: string, entry: TarEntry): Promise<void> {
    const host = this.host(path);
    switch (entry.type) {
      case 'directory':
        if (this.kinds.get(path) !== 'directory') mkdirSync(host, { mode: 0o700 });
        this.directories.set(path, entry);
        return;
      case 'file':
        await writeFile(host, entry.buffered ?? entry.content, { mode: 0o600, flag: 'wx' });
        chmodSync(host, entry.mode);
        this.setTime(path, entry.mtimeNs);
        return;
      case 'symlink':
        symlinkSync(fsPath(entry.linkPath), host);
        this.setTime(path, entry.mtimeNs);
        return;
      case 'link':
        linkSync(this.host(this.linkTarget(entry)), host);
        return;
      default:
        throw new BuildError(
          'unsupported',
          `Cannot use the build context: its entry "${entry.path}" is a device or a pipe`,
        );
    }
  }

  private makeParents(path: string): void {
    const parent = parentPath(path);
    const kind = this.kinds.get(parent);
    if (kind === 'directory') return;
    // Also a link to a directory: nothing may be written through one.
    if (kind !== undefined) throw invalid(`"${path}" is below "${parent}", which is no directory`);
    this.makeParents(parent);
    mkdirSync(this.host(parent), { mode: 0o755 });
    this.kinds.set(parent, 'directory');
  }

  /** Removes what an earlier entry of the same name left, unless both are directories. */
  private makeRoom(path: string, type: TarEntry['type']): void {
    const kind = this.kinds.get(path);
    if (kind === undefined || (kind === 'directory' && type === 'directory')) return;
    rmSync(this.host(path), { recursive: true });
    for (const known of this.kinds.keys()) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      this.kinds.delete(known);
      this.directories.delete(known);
    }
  }

  private linkTarget(entry: TarEntry): string {
    const target = relativePath(entry.linkPath, entry.path);
    const kind = this.kinds.get(target);
    if (kind === undefined || kind === 'directory') {
      throw invalid(`"${entry.path}" is a hard link to "${entry.linkPath}", which is no earlier file`);
    }
    return target;
  }

  private setTime(path: string, mtimeNs: bigint): void {
    const seconds = Number(mtimeNs) / 1e9;
    lutimesSync(this.host(path), seconds, seconds);
  }

  private host(path: string): string | Buffer {
    return fsPath(`${this.root}/${path}`);
  }
}

/** A name of the archive below its root; `.` is the root. */
function relativePath(name: string, entry: string): string {
  const cleaned = cleanPath(name.replace(/^\/+/, ''));
  if (cleaned !== '..' && !cleaned.startsWith('../')) return cleaned;
  throw new BuildError('path-escape', `Cannot unpack the build context: its entry "${entry}" leads out of it`);
}

function invalid(reason: string): BuildError {
  return new BuildError('invalid-archive', `Cannot unpack the build context: ${reason}`);
}

/** The first block, and a stream that begins with it all the same. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ head: Buffer; all: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  while (sizeBytes < BLOCK) {
    throwIfAborted(signal);
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    sizeBytes += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* chunks;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(chunks), all: all() };
}

async function readText(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_DOCKERFILE_BYTES) {
      throw new BuildError(
        'limit-exceeded',
        `Cannot read the Dockerfile: it is larger than ${MAX_DOCKERFILE_BYTES} bytes`,
      );
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}
