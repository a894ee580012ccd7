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
import type { MemoEntry } from './memo-file.ts';
import { MemoTable, formatMemo, isMemoKey } from './memo-file.ts';

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
  #table = MemoTable.empty();
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
    return this.#fresh?.get(statKey) ?? this.#table.get(statKey);
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
    replaceFile(this.#path, formatMemo(this.#entries(), this.#table.generation + 1), this.#tmp);
    this.#dirty = false;
  }

  /** What was used or learnt is of the next generation; where there is no room, the oldest generations go. */
  #entries(): MemoEntry[] {
    const generation = this.#table.generation + 1;
    const fresh = [...(this.#fresh?.entries() ?? [])].map(([key, digest]): MemoEntry => ({ key, digest, generation }));
    const others = [...this.#table.entries()].filter(({ key }) => this.#fresh?.has(key) !== true);
    const room = this.#maxEntries - fresh.length;
    if (others.length > room) others.sort((a, b) => b.generation - a.generation);
    return [...fresh, ...others.slice(0, Math.max(0, room))];
  }

  async #read(): Promise<void> {
    const bytes = await readIfExists(this.#path);
    if (bytes) this.#table = MemoTable.parse(bytes) ?? this.#table;
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
