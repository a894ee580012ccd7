/**
 * The file format of the content memo, made to be loaded quickly: 50,000 entries are a few megabytes that are checked and split, while
 * digests stay bytes until somebody asks for one.
 *
 *     "tsbuild content memo 1\n"   magic
 *     32 bytes                     SHA-256 of everything after them
 *     u32 LE, u32 LE               number of entries, bytes of the keys
 *     keys                         ASCII, one a line, most recently used first
 *     32 bytes an entry            SHA-256 of the content, in the order of the keys
 */
import { createHash } from 'node:crypto';
import type { Digest } from '../core/digest.ts';
import { hexOf, parseDigest } from '../core/digest.ts';

const MAGIC = Buffer.from('tsbuild content memo 1\n');
const HASH_BYTES = 32;
const COUNTS_AT = MAGIC.length + HASH_BYTES;
const KEYS_AT = COUNTS_AT + 8;

/** What was read from a file. */
export class MemoTable {
  /** Most recently used first. */
  readonly keys: readonly string[];
  readonly #digests: Buffer;

  constructor(keys: readonly string[] = [], digests: Buffer = Buffer.alloc(0)) {
    this.keys = keys;
    this.#digests = digests;
  }

  digestAt(index: number): Digest {
    return parseDigest(`sha256:${this.#digests.toString('hex', index * HASH_BYTES, (index + 1) * HASH_BYTES)}`);
  }
}

/** Whether `key` can be stored: it must fit on a line. */
export function isMemoKey(key: string): boolean {
  return /^[\x20-\x7e]+$/.test(key);
}

/** The table in `bytes`; undefined if they are damaged or of another version. */
export function parseMemo(bytes: Buffer): MemoTable | undefined {
  if (bytes.length < KEYS_AT || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const hash = createHash('sha256').update(bytes.subarray(COUNTS_AT)).digest();
  if (!hash.equals(bytes.subarray(MAGIC.length, COUNTS_AT))) return undefined;
  const count = bytes.readUInt32LE(COUNTS_AT);
  const digestsAt = KEYS_AT + bytes.readUInt32LE(COUNTS_AT + 4);
  const keys = bytes.toString('latin1', KEYS_AT, digestsAt).split('\n');
  // Each key ends a line, so there is an empty one after the last.
  keys.pop();
  if (keys.length !== count || bytes.length !== digestsAt + count * HASH_BYTES) return undefined;
  return new MemoTable(keys, bytes.subarray(digestsAt));
}

/** Bytes that `parseMemo` reads back. */
export function formatMemo(entries: readonly (readonly [key: string, digest: Digest])[]): Buffer {
  const keys = Buffer.from(entries.map(([key]) => `${key}\n`).join(''), 'latin1');
  const bytes = Buffer.alloc(KEYS_AT + keys.length + entries.length * HASH_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(entries.length, COUNTS_AT);
  bytes.writeUInt32LE(keys.length, COUNTS_AT + 4);
  keys.copy(bytes, KEYS_AT);
  let at = KEYS_AT + keys.length;
  for (const [, digest] of entries) at += bytes.write(hexOf(digest), at, 'hex');
  createHash('sha256').update(bytes.subarray(COUNTS_AT)).digest().copy(bytes, MAGIC.length);
  return bytes;
}
