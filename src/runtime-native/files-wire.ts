/** The bytes that `tsbuild-runtime files` reads (src/runtime-native/c/files.h), and its replies. */
import { BuildError } from '../core/errors.ts';
import { encodePath } from '../core/path-bytes.ts';
import type { Metadata, WriteOptions } from './tree-types.ts';

export const Op = {
  directory: 1,
  file: 2,
  hostFile: 3,
  symlink: 4,
  link: 5,
  node: 6,
  whiteout: 7,
  opaque: 8,
  remove: 9,
  flush: 10,
  close: 11,
} as const;

const Flag = { update: 1, replace: 2, through: 4, hasMtime: 8 } as const;

const RECORD_SIZE = 64;
const STRING_MAX = 65536;
const XATTRS_MAX = 4 << 20;

export interface Operation {
  readonly op: (typeof Op)[keyof typeof Op];
  readonly path?: string;
  /** A link's target or a path on the host. */
  readonly text?: string;
  readonly metadata?: Metadata;
  readonly options?: WriteOptions;
  /** Type bits of a node. */
  readonly type?: number;
  readonly device?: { readonly major: number; readonly minor: number };
  /** Bytes of content that follow. */
  readonly sizeBytes?: number;
}

/** The record of `operation` with its strings, without content. */
export function encodeOperation(operation: Operation): Buffer {
  const { metadata, options } = operation;
  const path = encodePath(relative(operation.path ?? ''));
  const text = encodePath(operation.text ?? '');
  const xattrs = encodeXattrs(metadata?.xattrs);
  if (path.length > STRING_MAX || text.length > STRING_MAX) {
    throw new BuildError(
      'path-conflict',
      `Cannot write "${(operation.path ?? '').slice(0, 80)}...": the path is too long`,
    );
  }
  if (xattrs.length > XATTRS_MAX) {
    throw new BuildError(
      'limit-exceeded',
      `Cannot write "${operation.path}": its extended attributes have more than ${XATTRS_MAX} bytes`,
    );
  }
  const record = Buffer.allocUnsafe(RECORD_SIZE + path.length + text.length + xattrs.length);
  record.writeUInt32LE(operation.op, 0);
  record.writeUInt32LE(flagsOf(metadata, options), 4);
  record.writeUInt32LE(((metadata?.mode ?? 0) & 0o7777) | (operation.type ?? 0), 8);
  record.writeUInt32LE(metadata?.uid ?? 0, 12);
  record.writeUInt32LE(metadata?.gid ?? 0, 16);
  const { seconds, nanoseconds } = splitTime(metadata?.mtimeNs ?? 0n);
  record.writeUInt32LE(nanoseconds, 20);
  record.writeBigInt64LE(seconds, 24);
  record.writeBigUInt64LE(BigInt(operation.sizeBytes ?? 0), 32);
  record.writeUInt32LE(operation.device?.major ?? 0, 40);
  record.writeUInt32LE(operation.device?.minor ?? 0, 44);
  record.writeUInt32LE(path.length, 48);
  record.writeUInt32LE(text.length, 52);
  record.writeUInt32LE(xattrs.length, 56);
  record.writeUInt32LE(0, 60);
  path.copy(record, RECORD_SIZE);
  text.copy(record, RECORD_SIZE + path.length);
  xattrs.copy(record, RECORD_SIZE + path.length + text.length);
  return record;
}

function relative(path: string): string {
  return path.replace(/^\/+|\/+$/g, '');
}

function flagsOf(metadata: Metadata | undefined, options: WriteOptions | undefined): number {
  let flags = metadata?.mtimeNs === undefined ? 0 : Flag.hasMtime;
  if (options?.existing === 'update') flags |= Flag.update;
  if (options?.existing === 'replace') flags |= Flag.replace;
  if (options?.through === true) flags |= Flag.through;
  return flags;
}

const BILLION = 1_000_000_000n;

function splitTime(mtimeNs: bigint): { seconds: bigint; nanoseconds: number } {
  const rest = ((mtimeNs % BILLION) + BILLION) % BILLION;
  return { seconds: (mtimeNs - rest) / BILLION, nanoseconds: Number(rest) };
}

const NOTHING = Buffer.alloc(0);

function encodeXattrs(xattrs: ReadonlyMap<string, Uint8Array> | undefined): Buffer {
  if (xattrs === undefined || xattrs.size === 0) return NOTHING;
  const parts: Uint8Array[] = [];
  for (const [name, value] of xattrs) {
    const bytes = encodePath(name);
    const sizes = Buffer.allocUnsafe(8);
    sizes.writeUInt32LE(bytes.length, 0);
    sizes.writeUInt32LE(value.length, 4);
    parts.push(sizes, bytes, value);
  }
  return Buffer.concat(parts);
}

/** A failure as the native side reports it. */
export interface NativeFailure {
  readonly stage: number;
  /** An errno, or 0. */
  readonly errno: number;
  readonly detail: string;
}

export type NativeReply = { readonly kind: 'acknowledged' } | ({ readonly kind: 'failed' } & NativeFailure);

export const REPLY_SIZE = 16;

/** The first whole reply in `bytes` and its size, or undefined if more bytes are needed. */
export function decodeReply(bytes: Buffer): { readonly reply: NativeReply; readonly sizeBytes: number } | undefined {
  if (bytes.length < REPLY_SIZE) return undefined;
  if (bytes.readUInt32LE(0) === 1) return { reply: { kind: 'acknowledged' }, sizeBytes: REPLY_SIZE };
  const sizeBytes = REPLY_SIZE + bytes.readUInt32LE(12);
  if (bytes.length < sizeBytes) return undefined;
  const detail = bytes.toString('utf8', REPLY_SIZE, sizeBytes);
  return { reply: { kind: 'failed', stage: bytes.readUInt32LE(4), errno: bytes.readInt32LE(8), detail }, sizeBytes };
}
