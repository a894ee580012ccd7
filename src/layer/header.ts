/** The 512-byte header of a tar entry: ustar, GNU and v7. */
import { decodeLatin1Path } from '../core/path-bytes.ts';
import { invalidArchive } from '../core/archive-errors.ts';

export const BLOCK = 512;

export interface Header {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  /** The type flag as a character; `0` for the empty one. */
  readonly type: string;
  readonly linkName: string;
  readonly major: number;
  readonly minor: number;
}

const ZEROES = Buffer.alloc(BLOCK);

export function isZeroBlock(block: Buffer): boolean {
  return block.equals(ZEROES);
}

/** Reads and checks a header that is no zero block. */
export function parseHeader(block: Buffer): Header {
  verifyChecksum(block);
  const magic = block.toString('latin1', 257, 265);
  const isUstar = magic.startsWith('ustar\0');
  const hasDevices = isUstar || magic === 'ustar  \0';
  const name = text(block, 0, 100);
  const prefix = isUstar ? prefixOf(block) : '';
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]!);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtimeSeconds: number(block, 136, 12),
    type,
    linkName: text(block, 157, 100),
    major: hasDevices ? number(block, 329, 8) : 0,
    minor: hasDevices ? number(block, 337, 8) : 0,
  };
}

/** star keeps times in the last part of the prefix and says so at the end of the block. */
function prefixOf(block: Buffer): string {
  return text(block, 345, block.toString('latin1', 508, 512) === 'tar\0' ? 131 : 155);
}

/** Some old programs summed signed bytes; both sums are accepted, as by every reader. */
function verifyChecksum(block: Buffer): void {
  const wanted = number(block, 148, 8);
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (i === 148) i = 156;
    const byte = block[i]!;
    unsigned += byte;
    if (byte >= 0x80) high++;
  }
  if (wanted !== unsigned && wanted !== unsigned - 256 * high)
    throw invalidArchive('the checksum of a header is wrong');
}

function text(block: Buffer, start: number, size: number): string {
  if (block[start] === 0) return '';
  const end = block.indexOf(0, start);
  return decodeLatin1Path(block.toString('latin1', start, end === -1 || end > start + size ? start + size : end));
}

/** Octal digits with spaces or zero bytes around them, or GNU's base-256 form, which can be negative. */
function number(block: Buffer, start: number, size: number): number {
  const first = block[start]!;
  if ((first & 0x80) !== 0) return base256(block, start, size);
  let at = start;
  let end = start + size;
  while (at < end && isBlank(block[at]!)) at++;
  while (end > at && isBlank(block[end - 1]!)) end--;
  let value = 0;
  for (; at < end; at++) {
    const digit = block[at]! - 0x30;
    // A zero byte within the field ends the digits.
    if (block[at] === 0) break;
    if (digit < 0 || digit > 7) throw invalidArchive('a number in a header is malformed');
    value = value * 8 + digit;
  }
  return value;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0;
}

function base256(block: Buffer, start: number, size: number): number {
  const negative = (block[start]! & 0x40) !== 0;
  let value = BigInt(block[start]! & 0x3f) - (negative ? 0x40n : 0n);
  for (let i = 1; i < size; i++) value = value * 256n + BigInt(block[start + i]!);
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw invalidArchive('a number in a header is too large');
  return result;
}
