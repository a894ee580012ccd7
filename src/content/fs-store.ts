/**
 * The content store on disk: `<root>/content/{oci-layout,blobs/sha256/<hex>,ingest/}`.
 *
 * Nothing is created before the first write, so a store that is only read costs nothing to open.
 */
import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { digestOf, digestOfHash, hexOf, isDigest } from '../core/digest.ts';
import type { Digest } from '../core/digest.ts';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { abortable, discard } from './abortable.ts';
import { IngestDirectory } from './ingest.ts';
import type { StoreFs } from './ingest.ts';
import type { ContentStore, ExpectedBlob, ListedBlob, StoredBlob, WriteBlobOptions } from './types.ts';
import { BlobVerifier } from './verify.ts';

/** What `read` takes into memory unless it is told otherwise. */
export const DEFAULT_MAX_READ_BYTES = 8 * 1024 * 1024;

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

export interface ContentStoreOptions {
  /** For tests that let system calls fail. */
  readonly fs?: StoreFs;
}

/** The content store below `root`, the directory of the whole store. */
export function openContentStore(root: string, options: ContentStoreOptions = {}): ContentStore {
  return new FsContentStore(join(root, 'content'), options.fs ?? nodeFs);
}

/** Where the blob is, if it is there, in the store at `root`. */
export function blobPath(root: string, digest: Digest): string {
  return join(root, 'content', 'blobs', 'sha256', hexOf(digest));
}

class FsContentStore implements ContentStore {
  readonly #dir: string;
  readonly #blobs: string;
  readonly #fs: StoreFs;
  readonly #ingest: IngestDirectory;

  constructor(dir: string, fs: StoreFs) {
    this.#dir = dir;
    this.#blobs = join(dir, 'blobs', 'sha256');
    this.#fs = fs;
    this.#ingest = new IngestDirectory(join(dir, 'ingest'), fs);
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#touched({ digest })) !== undefined;
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    const found = await this.#look(digest);
    return found && { digest, sizeBytes: found.sizeBytes };
  }

  async open(digest: Digest): Promise<Readable> {
    const handle = await this.#openBlob(digest);
    return handle.createReadStream({ highWaterMark: 256 * 1024 });
  }

  fileOf(digest: Digest): string {
    return this.#pathOf(digest);
  }

  async read(digest: Digest, maxBytes = DEFAULT_MAX_READ_BYTES): Promise<Buffer> {
    const handle = await this.#openBlob(digest);
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) throw tooLarge(digest, size, maxBytes);
      const bytes = await handle.readFile();
      if (digestOf(bytes) !== digest) throw damaged(digest, this.#pathOf(digest));
      return bytes;
    } finally {
      await handle.close();
    }
  }

  async write(
    source: AsyncIterable<Uint8Array>,
    expected: ExpectedBlob | undefined,
    options: WriteBlobOptions = {},
  ): Promise<StoredBlob> {
    const { signal, onProgress } = options;
    if (expected !== undefined) {
      const stored = await this.#touched(expected);
      if (stored !== undefined) {
        await discard(source);
        return stored;
      }
    }
    await this.#ensureLayout();
    const verifier = new BlobVerifier(expected);
    await using file = await this.#ingest.create();
    for await (const chunk of abortable(source, signal)) {
      verifier.update(chunk);
      await file.append(chunk);
      onProgress?.(verifier.sizeBytes);
    }
    const blob = verifier.finish();
    throwIfAborted(signal);
    await file.moveTo(this.#pathOf(blob.digest));
    return blob;
  }

  async put(bytes: Uint8Array): Promise<StoredBlob> {
    const blob = { digest: digestOf(bytes), sizeBytes: bytes.length };
    if ((await this.#touched(blob)) !== undefined) return blob;
    await this.#ensureLayout();
    await this.#ingest.replace(this.#pathOf(blob.digest), bytes);
    return blob;
  }

  async remove(digest: Digest): Promise<void> {
    await this.#fs.rm(this.#pathOf(digest), { force: true });
  }

  async *list(): AsyncGenerator<ListedBlob, void, undefined> {
    let names: string[];
    try {
      names = await this.#fs.readdir(this.#blobs);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    for (const name of names.sort()) {
      const digest = `sha256:${name}`;
      const blob = isDigest(digest) ? await this.#look(digest) : undefined;
      if (blob !== undefined) yield blob;
    }
  }

  #pathOf(digest: Digest): string {
    return join(this.#blobs, hexOf(digest));
  }

  async #look(digest: Digest): Promise<ListedBlob | undefined> {
    try {
      const stats = await this.#fs.stat(this.#pathOf(digest));
      return { digest, sizeBytes: stats.size, modifiedAtMs: stats.mtimeMs };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * The blob if it is here, from now on as used just now. One of another size than expected is no excuse for not writing it: either size is
   * wrong, and writing finds out which.
   */
  async #touched(expected: ExpectedBlob): Promise<StoredBlob | undefined> {
    const stored = await this.stat(expected.digest);
    if (stored === undefined || (expected.sizeBytes ?? stored.sizeBytes) !== stored.sizeBytes) return undefined;
    const now = new Date();
    try {
      await this.#fs.utimes(this.#pathOf(expected.digest), now, now);
    } catch (error) {
      const errno = errnoOf(error) ?? '';
      if (errno === 'ENOENT') return undefined;
      // Nobody prunes a store that cannot be written to.
      if (!['EROFS', 'EACCES', 'EPERM'].includes(errno)) throw error;
    }
    return stored;
  }

  async #openBlob(digest: Digest): Promise<nodeFs.FileHandle> {
    try {
      return await this.#fs.open(this.#pathOf(digest), 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw missing(digest);
      throw error;
    }
  }

  async #ensureLayout(): Promise<void> {
    const path = join(this.#dir, 'oci-layout');
    try {
      await this.#fs.stat(path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      await this.#ingest.replace(path, Buffer.from(LAYOUT));
    }
  }
}

/** The digest and size of a stream's bytes, which are read to the end. */
export async function digestStream(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<StoredBlob> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of abortable(source, signal)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { digest: digestOfHash(hash), sizeBytes };
}

export function missing(digest: Digest): BuildError {
  return new BuildError('store-corrupt', `Cannot find blob "${digest}" in the store`, {
    hint: 'Pull or build the image that it belongs to again',
  });
}

export function tooLarge(digest: Digest, sizeBytes: number, maxBytes: number): BuildError {
  return new BuildError(
    'limit-exceeded',
    `Blob "${digest}" has ${sizeBytes} bytes: more than ${maxBytes} are not read`,
  );
}

function damaged(digest: Digest, path: string): BuildError {
  return new BuildError('store-corrupt', `Blob "${digest}" in the store is damaged: its content has another digest`, {
    hint: `Remove "${path}", then pull or build the image that it belongs to again`,
  });
}
