/**
 * Forgetting records, while builds go on.
 *
 * A record is *claimed* by renaming it away; from then on no build finds it. Only then its mark of use is looked at: if it was used
 * since the oldest running build began, somebody may be relying on it and it is put back, else it is removed. A build that looked just
 * before the renaming has marked it already, one that looks afterwards misses. All of this needs a build to hold a lease before its
 * first look-up (lease.ts), and that pruners take turns: what one has claimed for a moment, another would miss among the references.
 */
import type { Stats } from 'node:fs';
import { linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { compareBytes } from '../core/paths.ts';
import { storeError } from '../core/store-errors.ts';
import { ifExists, listIfExists, readIfExists } from './files.ts';
import { oldestLiveLease } from './lease.ts';
import type { RecordId, ResultCodec } from './record-file.ts';
import { CachePaths, isRecordId, parseKey, parseRecord } from './record-file.ts';
import { takeTurn } from './turn.ts';

/** A record as the choice of what to remove sees it. */
export interface StoredRecord {
  readonly id: RecordId;
  readonly description: string;
  readonly createdAtMs: number;
  readonly lastUsedMs: number;
  /** Whether any key leads to it; what a newer result has replaced is never found again. */
  readonly reachable: boolean;
  readonly references: readonly string[];
}

export interface PruneRecordsOptions {
  /** `<root>/cache`. */
  readonly dir: string;
  /** `<root>/leases`. */
  readonly leases: string;
  readonly references: ResultCodec<unknown>['references'];
  /** Whether to remove a record that no running build can have used; default: those that are not reachable. */
  readonly discard?: (record: StoredRecord) => boolean;
  readonly clock?: () => number;
  readonly signal?: AbortSignal;
}

export interface PrunedRecords {
  readonly removed: readonly StoredRecord[];
  /** What the remaining records refer to. */
  readonly references: ReadonlySet<string>;
  /** Things made since then (ms) may belong to a running build that has not recorded them yet: to be kept although nothing refers to them. */
  readonly horizonMs: number;
}

/** File times are set by the kernel's coarse clock or by rounded seconds: marks up to this much older count as newer. */
const CLOCK_SLACK_MS = 1000;

/** Removes what `discard` chooses, with keys that lead nowhere and what dead processes left behind. Throws `store-unwritable`, `store-busy`, `cancelled`. */
export async function pruneRecords(options: PruneRecordsOptions): Promise<PrunedRecords> {
  const paths = new CachePaths(options.dir);
  using _turn = await takeTurn(paths.pruning, { signal: options.signal, purpose: 'prune the cache' });
  const startedMs = (options.clock ?? Date.now)();
  const horizonMs = Math.min(startedMs, (await oldestLiveLease(options.leases)) ?? Infinity) - CLOCK_SLACK_MS;
  const pruner = new Pruner(paths, options.references, horizonMs);
  try {
    pruner.recoverClaims();
    const removed = pruner.removeRecords(options.discard ?? ((record) => !record.reachable));
    pruner.removeKeys();
    pruner.removeTemporaryFiles();
    return { removed, references: pruner.remainingReferences(), horizonMs };
  } catch (error) {
    throw storeError(error, options.dir);
  }
}

class Pruner {
  readonly #paths: CachePaths;
  readonly #references: PruneRecordsOptions['references'];
  readonly #horizonMs: number;

  constructor(paths: CachePaths, references: PruneRecordsOptions['references'], horizonMs: number) {
    this.#paths = paths;
    this.#references = references;
    this.#horizonMs = horizonMs;
  }

  /** Puts back what a pruner that died had claimed; it is decided anew. */
  recoverClaims(): void {
    for (const id of listIfExists(this.#paths.claimed)) {
      if (isRecordId(id)) this.#putBack(id);
    }
  }

  removeRecords(discard: (record: StoredRecord) => boolean): StoredRecord[] {
    const reachable = new Set([...this.#keys()].map(([, id]) => id));
    const removed: StoredRecord[] = [];
    for (const id of this.#records()) {
      const stats = statIfExists(this.#paths.record(id));
      if (!stats || stats.mtimeMs >= this.#horizonMs) continue;
      const record = this.#read(id, stats, reachable.has(id));
      // What is not a record is of no use to anybody.
      if (record && !discard(record)) continue;
      if (this.#removeUnused(id) && record) removed.push(record);
    }
    return removed;
  }

  /** A key whose record was made again just now may go with the others: that costs a miss. */
  removeKeys(): void {
    for (const [name, id] of this.#keys()) {
      if (id && statIfExists(this.#paths.record(id))) continue;
      rmSync(join(this.#paths.keys, name), { force: true });
    }
  }

  removeTemporaryFiles(): void {
    for (const name of listIfExists(this.#paths.tmp)) {
      const path = join(this.#paths.tmp, name);
      const stats = statIfExists(path);
      if (stats && stats.mtimeMs < this.#horizonMs) rmSync(path, { force: true });
    }
  }

  remainingReferences(): Set<string> {
    const references = new Set<string>();
    for (const id of this.#records()) {
      const bytes = readIfExists(this.#paths.record(id));
      const record = bytes && parseRecord(id, bytes);
      for (const reference of record ? this.#references(record.result) : []) references.add(reference);
    }
    return references;
  }

  #removeUnused(id: RecordId): boolean {
    const claimed = join(this.#paths.claimed, id);
    mkdirSync(this.#paths.claimed, { recursive: true });
    const taken = ifExists(() => {
      renameSync(this.#paths.record(id), claimed);
      return true;
    });
    if (taken === undefined) return false;
    if (statSync(claimed).mtimeMs >= this.#horizonMs) {
      this.#putBack(id);
      return false;
    }
    rmSync(claimed);
    return true;
  }

  /** Unless the record was saved again in the meantime. */
  #putBack(id: RecordId): void {
    const claimed = join(this.#paths.claimed, id);
    try {
      linkSync(claimed, this.#paths.record(id));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    rmSync(claimed);
  }

  #read(id: RecordId, stats: Stats, reachable: boolean): StoredRecord | undefined {
    const bytes = readIfExists(this.#paths.record(id));
    const record = bytes && parseRecord(id, bytes);
    if (!record) return undefined;
    const { description, createdAtMs, result } = record;
    return { id, description, createdAtMs, lastUsedMs: stats.mtimeMs, reachable, references: this.#references(result) };
  }

  *#keys(): Generator<readonly [name: string, id: RecordId | undefined]> {
    for (const name of listIfExists(this.#paths.keys)) {
      const bytes = readIfExists(join(this.#paths.keys, name));
      if (bytes) yield [name, parseKey(bytes)];
    }
  }

  #records(): RecordId[] {
    return listIfExists(this.#paths.records).filter(isRecordId).sort(compareBytes);
  }
}

function statIfExists(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
