/**
 * Remembers digests of file contents by what `lstat` says of the file, in this process and on disk, so that an unchanged context costs
 * a walk and no reading.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LRUCache } from 'lru-cache';
import type { Digest } from '../core/digest.ts';
import { errnoOf } from '../core/errors.ts';
import { replaceFile } from './files.ts';
import { MemoTable, formatMemo, isMemoKey, parseMemo } from './memo-file.ts';

/** Digests by `TreeEntry.statKey`. */
export interface ContentMemo {
  /** Reads what earlier processes remembered; to be awaited before `get`. May be called again. */
  load(): Promise<void>;
  get(statKey: string): Digest | undefined;
  /** Only for content that cannot change without its key changing too. */
  set(statKey: string, digest: Digest): Promise<void>;
  /** Writes what is new to disk. Throws `store-full`, `store-unwritable`. */
  save(): Promise<void>;
}

export interface ContentMemoOptions {
  /** `<root>/cache`; made when something is saved. */
  readonly dir: string;
  /** Entries kept, in memory and on disk; default: 500,000 (about 50 MB on disk). */
  readonly maxEntries?: number;
}

const DEFAULT_MAX_ENTRIES = 500_000;

/** The memo in `<dir>/content-memo`. Processes that save at the same time keep one's entries or the other's; what is lost is hashed again. */
export function createContentMemo(options: ContentMemoOptions): ContentMemo {
  return new FileContentMemo(options);
}

class FileContentMemo implements ContentMemo {
  readonly #path: string;
  readonly #tmp: string;
  readonly #maxEntries: number;
  /** As loaded; `#index` gives the place of a key in it, and `#used` says which were asked for. */
  #table = new MemoTable();
  #index: ReadonlyMap<string, number> = new Map();
  #used = new Uint8Array();
  #loaded: Promise<void> | undefined;
  /** Learnt since loading. */
  #fresh: LRUCache<string, Digest> | undefined;
  #dirty = false;

  constructor({ dir, maxEntries = DEFAULT_MAX_ENTRIES }: ContentMemoOptions) {
    this.#path = join(dir, 'content-memo');
    this.#tmp = join(dir, 'tmp');
    this.#maxEntries = maxEntries;
  }

  async load(): Promise<void> {
    this.#loaded ??= this.#read();
    await this.#loaded;
  }

  get(statKey: string): Digest | undefined {
    const fresh = this.#fresh?.get(statKey);
    if (fresh !== undefined) return fresh;
    const index = this.#index.get(statKey);
    if (index === undefined) return undefined;
    this.#used[index] = 1;
    return this.#table.digestAt(index);
  }

  async set(statKey: string, digest: Digest): Promise<void> {
    if (!isMemoKey(statKey)) throw new Error(`"${statKey}" cannot be the key of a memo`);
    if (!this.#fresh) {
      const { LRUCache } = await import('lru-cache');
      // By size and not by `max`, for which room would be made at once.
      this.#fresh ??= new LRUCache({ maxSize: this.#maxEntries, sizeCalculation: () => 1 });
    }
    this.#fresh.set(statKey, digest);
    this.#dirty = true;
  }

  async save(): Promise<void> {
    if (!this.#dirty) return;
    await this.load();
    const entries = this.#entries();
    replaceFile(this.#path, formatMemo(entries), this.#tmp);
    this.#dirty = false;
  }

  /** What was used or learnt comes first; where there is no room, the least recently used goes. */
  #entries(): (readonly [string, Digest])[] {
    const entries: (readonly [string, Digest])[] = [...(this.#fresh?.entries() ?? [])];
    for (const used of [true, false]) {
      for (const [index, key] of this.#table.keys.entries()) {
        if (entries.length >= this.#maxEntries) return entries;
        if ((this.#used[index] === 1) === used && this.#fresh?.has(key) !== true) {
          entries.push([key, this.#table.digestAt(index)]);
        }
      }
    }
    return entries;
  }

  async #read(): Promise<void> {
    const bytes = await readIfExists(this.#path);
    const table = bytes && parseMemo(bytes);
    if (!table) return;
    this.#table = table;
    this.#index = new Map(table.keys.map((key, index) => [key, index]));
    this.#used = new Uint8Array(table.keys.length);
  }
}

async function readIfExists(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
