/** The bytes that `tsbuild-runtime files` reads (src/runtime-native/c/files.h), and its replies. */
import { BuildError } from '../core/errors.ts';
import { fsPath } from '../core/path-bytes.ts';
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

/** No record of `operation` has more bytes than this. */
export function operationBound(operation: Operation): number {
  let bound = RECORD_SIZE + 3 * ((operation.path?.length ?? 0) + (operation.text?.length ?? 0));
  for (const [name, value] of operation.metadata?.xattrs ?? []) bound += 8 + 3 * name.length + value.length;
  return bound;
}

/** Writes the record of `operation` with its strings, but not its content, to `target` at `at`; returns where it ends. */
export function encodeOperation(operation: Operation, target: Buffer, at: number): number {
  const { metadata, options } = operation;
  const start = at + RECORD_SIZE;
  const pathSize = writePath(relative(operation.path ?? ''), target, start);
  const textSize = writePath(operation.text ?? '', target, start + pathSize);
  const xattrsSize = writeXattrs(metadata?.xattrs, target, start + pathSize + textSize);
  if (pathSize > STRING_MAX || textSize > STRING_MAX) {
    const shown = (operation.path ?? '').slice(0, 80);
    throw new BuildError('path-conflict', `Cannot write "${shown}...": the path is too long`);
  }
  if (xattrsSize > XATTRS_MAX) {
    const reason = `its extended attributes have more than ${XATTRS_MAX} bytes`;
    throw new BuildError('limit-exceeded', `Cannot write "${operation.path}": ${reason}`);
  }
  const { seconds, nanoseconds } = splitTime(metadata?.mtimeNs);
  target.writeUInt32LE(operation.op, at);
  target.writeUInt32LE(flagsOf(metadata, options), at + 4);
  target.writeUInt32LE(((metadata?.mode ?? 0) & 0o7777) | (operation.type ?? 0), at + 8);
  target.writeUInt32LE(metadata?.uid ?? 0, at + 12);
  target.writeUInt32LE(metadata?.gid ?? 0, at + 16);
  target.writeUInt32LE(nanoseconds, at + 20);
  target.writeBigInt64LE(seconds, at + 24);
  target.writeBigUInt64LE(BigInt(operation.sizeBytes ?? 0), at + 32);
  target.writeUInt32LE(operation.device?.major ?? 0, at + 40);
  target.writeUInt32LE(operation.device?.minor ?? 0, at + 44);
  target.writeUInt32LE(pathSize, at + 48);
  target.writeUInt32LE(textSize, at + 52);
  target.writeUInt32LE(xattrsSize, at + 56);
  target.writeUInt32LE(0, at + 60);
  return start + pathSize + textSize + xattrsSize;
}

const SLASH = 0x2f;

/** Without slashes at its start and end. */
function relative(path: string): string {
  let start = 0;
  let end = path.length;
  while (start < end && path.charCodeAt(start) === SLASH) start++;
  while (end > start && path.charCodeAt(end - 1) === SLASH) end--;
  return path.slice(start, end);
}

function writePath(path: string, target: Buffer, at: number): number {
  const bytes = fsPath(path);
  return typeof bytes === 'string' ? target.write(bytes, at, 'utf8') : bytes.copy(target, at);
}

function writeXattrs(xattrs: ReadonlyMap<string, Uint8Array> | undefined, target: Buffer, at: number): number {
  let end = at;
  for (const [name, value] of xattrs ?? []) {
    const nameSize = writePath(name, target, end + 8);
    target.writeUInt32LE(nameSize, end);
    target.writeUInt32LE(value.length, end + 4);
    target.set(value, end + 8 + nameSize);
    end += 8 + nameSize + value.length;
  }
  return end - at;
}

function flagsOf(metadata: Metadata | undefined, options: WriteOptions | undefined): number {
  let flags = metadata?.mtimeNs === undefined ? 0 : Flag.hasMtime;
  if (options?.existing === 'update') flags |= Flag.update;
  if (options?.existing === 'replace') flags |= Flag.replace;
  if (options?.through === true) flags |= Flag.through;
  return flags;
}

const BILLION = 1_000_000_000n;

function splitTime(mtimeNs = 0n): { seconds: bigint; nanoseconds: number } {
  const rest = ((mtimeNs % BILLION) + BILLION) % BILLION;
  return { seconds: (mtimeNs - rest) / BILLION, nanoseconds: Number(rest) };
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
