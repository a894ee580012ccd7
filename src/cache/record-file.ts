/**
 * What is on disk: `keys/<hex of the key>` holds the id of a record, `records/<id>` the record as canonical JSON.
 *
 * A record's id is the digest of what it says about the result, so that saving the same result again makes no second record, and so
 * that a record which was cut off or damaged does not fit its name.
 */
import { join } from 'node:path';
import { canonicalJson } from '../core/canonical.ts';
import type { Digest } from '../core/digest.ts';
import { digestOf, hexOf, isDigest } from '../core/digest.ts';
import type { CacheKey } from '../solver/types.ts';

declare const brand: unique symbol;
/** Name of a record: 64 hex digits. */
export type RecordId = string & { readonly [brand]: 'record' };

/** How results become JSON and back. */
export interface ResultCodec<R> {
  /** Plain JSON data. */
  encode(result: R): unknown;
  /** The result, or undefined when the data is not understood or what it names is gone. */
  decode(data: unknown): Promise<R | undefined>;
  /** What else in the store the data refers to and needs, as ids that mean something to the caller. */
  readonly references: (data: unknown) => readonly string[];
}

export interface RecordFile {
  readonly identity: Digest;
  /** The encoded result. */
  readonly result: unknown;
  readonly description: string;
  readonly createdAtMs: number;
  /** Under which it was saved, the latest last; not all of them if there were many. */
  readonly keys: readonly string[];
}

/** The files and directories of a cache directory. */
export class CachePaths {
  readonly keys: string;
  readonly records: string;
  /** Records that a pruner is about to remove. */
  readonly claimed: string;
  /** Whose turn to prune it is. */
  readonly pruning: string;
  readonly tmp: string;

  constructor(dir: string) {
    this.keys = join(dir, 'keys');
    this.records = join(dir, 'records');
    this.claimed = join(dir, 'claimed');
    this.pruning = join(dir, 'pruning');
    this.tmp = join(dir, 'tmp');
  }

  key(key: CacheKey): string {
    return join(this.keys, hexOf(key));
  }

  record(id: RecordId): string {
    return join(this.records, id);
  }
}

const VERSION = 1;
const ID = /^[0-9a-f]{64}$/;
const MAX_KEYS = 32;

export function isRecordId(text: string): text is RecordId {
  return ID.test(text);
}

/** The id of the record of a result. */
export function recordId(identity: Digest, result: unknown): RecordId {
  return hexOf(digestOf(`tsbuild.cache-record.v${VERSION}\n${canonicalJson({ identity, result })}`)) as RecordId;
}

export function formatKey(id: RecordId): string {
  return `${id}\n`;
}

/** The id in a key file, or undefined if it holds anything else. */
export function parseKey(bytes: Uint8Array): RecordId | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  const id = text.slice(0, -1);
  return text.endsWith('\n') && isRecordId(id) ? id : undefined;
}

export function formatRecord(record: RecordFile): string {
  return `${canonicalJson({ version: VERSION, ...record, keys: record.keys.slice(-MAX_KEYS) })}\n`;
}

/** The record in the file named `id`, or undefined if it is not whole, not of this version, or not that record. */
export function parseRecord(id: RecordId, bytes: Uint8Array): RecordFile | undefined {
  let data: unknown;
  try {
    data = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isRecordData(data) || recordId(data.identity, data.result) !== id) return undefined;
  const { identity, result, description, createdAtMs, keys } = data;
  return { identity, result, description, createdAtMs, keys };
}

function isRecordData(data: unknown): data is RecordFile {
  if (typeof data !== 'object' || data === null) return false;
  const { version, identity, result, description, createdAtMs, keys } = data as Readonly<Record<string, unknown>>;
  return (
    version === VERSION &&
    typeof identity === 'string' &&
    isDigest(identity) &&
    result !== undefined &&
    typeof description === 'string' &&
    typeof createdAtMs === 'number' &&
    Number.isFinite(createdAtMs) &&
    Array.isArray(keys) &&
    keys.every((key) => typeof key === 'string')
  );
}
