/**
 * Files that are being written: under names that say which process writes them, so that what a dead one left behind can be told from
 * work in progress.
 */
import * as nodeFs from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import type { Owner } from '../core/owner.ts';
import { storeError } from '../core/store-errors.ts';

/** The system calls that writing needs; tests let them fail. */
export type StoreFs = Pick<typeof nodeFs, 'mkdir' | 'open' | 'readdir' | 'rename' | 'rm' | 'stat' | 'utimes'>;

let sequence = 0;
let ownerMemo: Owner | undefined;

/** A directory for files that are being written, on the file system of their final place. */
export class IngestDirectory {
  readonly #dir: string;
  readonly #fs: StoreFs;
  #ready: Promise<void> | undefined;

  constructor(dir: string, fs: StoreFs = nodeFs) {
    this.#dir = dir;
    this.#fs = fs;
  }

  /** Creates an empty file that nobody else writes. */
  async create(): Promise<IngestFile> {
    await this.#prepare();
    const path = join(this.#dir, ownedName(String(sequence++), self()));
    try {
      return new IngestFile(path, await this.#fs.open(path, 'wx', 0o644), this.#fs);
    } catch (error) {
      throw storeError(error, path);
    }
  }

  /** Replaces `path` with `bytes`, durably and all at once. */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await using file = await this.create();
    await file.append(bytes);
    await file.moveTo(path);
  }

  /** Makes the directory and sweeps it, once; again after a failure. */
  #prepare(): Promise<void> {
    this.#ready ??= this.#sweep().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async #sweep(): Promise<void> {
    try {
      await this.#fs.mkdir(this.#dir, { recursive: true });
    } catch (error) {
      throw storeError(error, this.#dir);
    }
    for (const name of await this.#fs.readdir(this.#dir)) {
      if (isAbandoned(name, self())) await this.#fs.rm(join(this.#dir, name), { force: true });
    }
  }
}

/** A file that is being written; disposing removes it unless it was moved to its place. */
export class IngestFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #fs: StoreFs;
  #open = true;
  #moved = false;

  constructor(path: string, handle: FileHandle, fs: StoreFs) {
    this.path = path;
    this.#handle = handle;
    this.#fs = fs;
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let offset = 0; offset < chunk.length;) {
        const { bytesWritten } = await this.#handle.write(chunk, offset);
        offset += bytesWritten;
      }
    } catch (error) {
      throw storeError(error, this.path);
    }
  }

  /** Makes the content durable, then visible under `path`, then the name durable. */
  async moveTo(path: string): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#close();
      await this.#fs.mkdir(dirname(path), { recursive: true });
      await this.#fs.rename(this.path, path);
      this.#moved = true;
      await syncDirectory(dirname(path), this.#fs);
    } catch (error) {
      throw storeError(error, path);
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (!this.#moved) await this.#fs.rm(this.path, { force: true });
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(dir: string, fs: Pick<StoreFs, 'open'> = nodeFs): Promise<void> {
  const handle = await fs.open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function self(): Owner {
  ownerMemo ??= currentOwner();
  return ownerMemo;
}
