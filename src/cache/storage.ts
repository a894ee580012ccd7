/**
 * The cache on disk: any number of processes use it at once, without locks.
 *
 * Files are replaced by renaming and never changed, so that readers see them whole. What cannot be read back (cut off, damaged, of
 * another version, naming something that is gone) is a miss; its key is dropped, and the next pruner drops the rest. A cache loses work
 * at worst and never fails a build because of what is in it. Nothing is synced: a record lost to a power cut costs the step.
 *
 * `find` marks a record as used *before* it reads it. A pruner takes a record away first and looks at the mark afterwards, so either it
 * sees the mark and puts the record back, or `find` sees that the record is gone (prune.ts).
 */
import { rmSync, utimesSync } from 'node:fs';
import { storeError } from '../core/store-errors.ts';
import type { CacheKey, CacheRecord, CacheStorage, Solved } from '../solver/types.ts';
import { ifExists, readIfExists, replaceFile } from './files.ts';
import type { RecordFile, RecordId, ResultCodec } from './record-file.ts';
import { CachePaths, formatKey, formatRecord, parseKey, parseRecord, recordId } from './record-file.ts';

export interface CacheStorageOptions<R> {
  /** Made when something is saved: `<root>/cache`. */
  readonly dir: string;
  readonly codec: ResultCodec<R>;
  /** Milliseconds since 1970; must be the machine's clock where a pruner compares it with other processes'. */
  readonly clock?: () => number;
}

/** Throws `store-full` and `store-unwritable` only. */
export function createCacheStorage<R>(options: CacheStorageOptions<R>): CacheStorage<R> {
  return new DirectoryCacheStorage(options);
}

class DirectoryCacheStorage<R> implements CacheStorage<R> {
  readonly #paths: CachePaths;
  readonly #codec: ResultCodec<R>;
  readonly #clock: () => number;

  constructor({ dir, codec, clock }: CacheStorageOptions<R>) {
    this.#paths = new CachePaths(dir);
    this.#codec = codec;
    this.#clock = clock ?? Date.now;
  }

  async find(key: CacheKey): Promise<CacheRecord<R> | undefined> {
    const path = this.#paths.key(key);
    const bytes = readIfExists(path);
    if (!bytes) return undefined;
    const id = parseKey(bytes);
    if (id) {
      if (!this.#markUsed(id)) return undefined;
      const record = this.#read(id);
      const result = record && (await this.#codec.decode(record.result));
      if (record && result !== undefined) {
        return { result, identity: record.identity, createdAtMs: record.createdAtMs };
      }
    }
    this.#forget(path);
    return undefined;
  }

  async save(keys: readonly CacheKey[], solved: Solved<R>, description: string): Promise<void> {
    const result = this.#codec.encode(solved.result);
    const id = recordId(solved.identity, result);
    const previous = this.#read(id);
    const record: RecordFile = {
      identity: solved.identity,
      result,
      description,
      createdAtMs: previous?.createdAtMs ?? this.#clock(),
      keys: [...new Set([...(previous?.keys ?? []).filter((key) => !keys.some((own) => own === key)), ...keys])],
    };
    // The record first: a key never names what was not there.
    replaceFile(this.#paths.record(id), formatRecord(record), this.#paths.tmp);
    this.#markUsed(id);
    for (const key of keys) replaceFile(this.#paths.key(key), formatKey(id), this.#paths.tmp);
  }

  #read(id: RecordId): RecordFile | undefined {
    const bytes = readIfExists(this.#paths.record(id));
    return bytes && parseRecord(id, bytes);
  }

  /** False if there is no such record, or a pruner has just claimed it. */
  #markUsed(id: RecordId): boolean {
    const now = this.#clock() / 1000;
    const path = this.#paths.record(id);
    try {
      return (
        ifExists(() => {
          utimesSync(path, now, now);
          return true;
        }) ?? false
      );
    } catch (error) {
      throw storeError(error, path);
    }
  }

  /**
   * Removes a key that is of no use. Never its record: by now somebody may have saved it again and rely on it, and only a pruner can tell.
   */
  #forget(path: string): void {
    try {
      rmSync(path, { force: true });
    } catch (error) {
      throw storeError(error, path);
    }
  }
}
