/**
 * The file format of the content memo: a hash table of which only the buckets that are asked for are checked and read, so that a small
 * context does not pay for the large ones that were hashed on the same machine.
 *
 *     "tsbuild content memo 1\n"   magic
 *     32 bytes                     SHA-256 of the header, which is what follows up to the first bucket
 *     u32, u32                     generation, number of buckets (a power of two)
 *     a bucket: u32, u32, 16 bytes where it starts, how long it is, the beginning of its SHA-256
 *     the buckets: u32             number of entries
 *                  keys            ASCII, each ended by "\n"
 *                  36 bytes each   SHA-256 of the content, u32 generation in which the entry was last used
 *
 * Numbers are little-endian. The generation grows with every file that replaces another one.
 */
import { createHash } from 'node:crypto';
import type { Digest } from '../core/digest.ts';
import { hexOf, parseDigest } from '../core/digest.ts';

export interface MemoEntry {
  readonly key: string;
  readonly digest: Digest;
  readonly generation: number;
}

const MAGIC = Buffer.from('tsbuild content memo 1\n');
const HEADER_AT = MAGIC.length + 32;
const TABLE_AT = HEADER_AT + 8;
const SLOT_BYTES = 24;
const CHECK_BYTES = 16;
const HASH_BYTES = 32;
const VALUE_BYTES = HASH_BYTES + 4;
const ENTRIES_PER_BUCKET = 64;

/** Whether `key` can be stored: it must fit on a line. */
export function isMemoKey(key: string): boolean {
  return /^[\x20-\x7e]+$/.test(key);
}

/** What is in a file. Damaged buckets are empty. */
export class MemoTable {
  /** Of the file; 0 if there is none. */
  readonly generation: number;
  readonly #bytes: Buffer;
  readonly #buckets: (Bucket | undefined)[];

  /** `bytes` is a file with an intact header. */
  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.generation = bytes.readUInt32LE(HEADER_AT);
    this.#buckets = Array.from({ length: bytes.readUInt32LE(HEADER_AT + 4) }, () => undefined);
  }

  static empty(): MemoTable {
    return new MemoTable(formatMemo([], 0));
  }

  /** The table in `bytes`; undefined if they are no memo of this version or their header is damaged. */
  static parse(bytes: Buffer): MemoTable | undefined {
    if (bytes.length < TABLE_AT || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
    const headerEnd = TABLE_AT + bytes.readUInt32LE(HEADER_AT + 4) * SLOT_BYTES;
    if (bytes.length < headerEnd) return undefined;
    const hash = sha256(bytes.subarray(HEADER_AT, headerEnd));
    return hash.equals(bytes.subarray(MAGIC.length, HEADER_AT)) ? new MemoTable(bytes) : undefined;
  }

  /** Marks the entry as used. */
  get(key: string): Digest | undefined {
    const bucket = this.#bucket(hashKey(key) & (this.#buckets.length - 1));
    const index = bucket.indexes.get(key);
    if (index === undefined) return undefined;
    bucket.used[index] = 1;
    return digestAt(bucket, index);
  }

  /** Everything; what was asked for is of the next generation. */
  *entries(): Generator<MemoEntry> {
    for (let number = 0; number < this.#buckets.length; number++) {
      const bucket = this.#bucket(number);
      for (const [key, index] of bucket.indexes) {
        const stored = bucket.values.readUInt32LE(index * VALUE_BYTES + HASH_BYTES);
        const generation = bucket.used[index] === 1 ? this.generation + 1 : stored;
        yield { key, digest: digestAt(bucket, index), generation };
      }
    }
  }

  #bucket(number: number): Bucket {
    return (this.#buckets[number] ??= this.#readBucket(TABLE_AT + number * SLOT_BYTES));
  }

  #readBucket(slot: number): Bucket {
    const start = this.#bytes.readUInt32LE(slot);
    const bytes = this.#bytes.subarray(start, start + this.#bytes.readUInt32LE(slot + 4));
    const check = this.#bytes.subarray(slot + 8, slot + SLOT_BYTES);
    return sha256(bytes).subarray(0, CHECK_BYTES).equals(check) ? bucketOf(bytes) : NO_BUCKET;
  }
}

interface Bucket {
  readonly indexes: ReadonlyMap<string, number>;
  readonly used: Uint8Array;
  readonly values: Buffer;
}

const NO_BUCKET: Bucket = { indexes: new Map(), used: new Uint8Array(), values: Buffer.alloc(0) };

function bucketOf(bytes: Buffer): Bucket {
  const count = bytes.readUInt32LE(0);
  const valuesAt = bytes.length - count * VALUE_BYTES;
  const keys = bytes.toString('latin1', 4, valuesAt).split('\n');
  // What comes after the last line end.
  keys.pop();
  return {
    indexes: new Map(keys.map((key, index) => [key, index])),
    used: new Uint8Array(count),
    values: bytes.subarray(valuesAt),
  };
}

function digestAt({ values }: Bucket, index: number): Digest {
  const at = index * VALUE_BYTES;
  return parseDigest(`sha256:${values.toString('hex', at, at + HASH_BYTES)}`);
}

/** A file that holds `entries`, whose keys must differ. */
export function formatMemo(entries: readonly MemoEntry[], generation: number): Buffer {
  const wanted = Math.ceil(entries.length / ENTRIES_PER_BUCKET);
  const count = 2 ** Math.ceil(Math.log2(Math.max(1, wanted)));
  const buckets = Array.from({ length: count }, (): MemoEntry[] => []);
  for (const entry of entries) buckets[hashKey(entry.key) & (count - 1)]?.push(entry);
  const header = Buffer.alloc(TABLE_AT + count * SLOT_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(generation, HEADER_AT);
  header.writeUInt32LE(count, HEADER_AT + 4);
  const parts: Buffer[] = [header];
  let start = header.length;
  for (const [number, bucket] of buckets.entries()) {
    const bytes = formatBucket(bucket);
    const slot = TABLE_AT + number * SLOT_BYTES;
    header.writeUInt32LE(start, slot);
    header.writeUInt32LE(bytes.length, slot + 4);
    sha256(bytes).copy(header, slot + 8, 0, CHECK_BYTES);
    parts.push(bytes);
    start += bytes.length;
  }
  sha256(header.subarray(HEADER_AT)).copy(header, MAGIC.length);
  return Buffer.concat(parts);
}

function formatBucket(entries: readonly MemoEntry[]): Buffer {
  const keys = entries.map(({ key }) => `${key}\n`).join('');
  const bytes = Buffer.alloc(4 + keys.length + entries.length * VALUE_BYTES);
  bytes.writeUInt32LE(entries.length, 0);
  let at = 4 + bytes.write(keys, 4, 'latin1');
  for (const { digest, generation } of entries) {
    at += bytes.write(hexOf(digest), at, 'hex');
    at = bytes.writeUInt32LE(generation, at);
  }
  return bytes;
}

/** FNV-1a: spreads keys over buckets, nothing more. */
function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  // The low bits alone spread badly.
  return (hash ^ (hash >>> 15)) >>> 0;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
