/**
 * File names are bytes, JavaScript's strings are not. A name that isn't UTF-8 becomes a string in which every offending
 * byte is a lone surrogate U+DC80..U+DCFF (as PEP 383 does), so that each name has exactly one string and comes back unchanged.
 */
import { isUtf8 } from 'node:buffer';

/** In Unicode mode a surrogate pair is one character, so this finds lone surrogates only. */
const ESCAPE = /[\udc80-\udcff]/u;
const BEYOND_ASCII = /[\u0080-\u00ff]/;

/** The string of a name's bytes. */
export function decodePath(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  let out = '';
  for (let at = 0; at < buffer.length;) {
    const length = sequenceLength(buffer, at);
    if (length === 0) out += String.fromCharCode(0xdc00 + buffer[at++]!);
    else out += buffer.toString('utf8', at, (at += length));
  }
  return out;
}

/** The bytes of a name that `decodePath` made, or of any other string. */
export function encodePath(path: string): Buffer {
  if (!hasRawBytes(path)) return Buffer.from(path);
  const parts: Buffer[] = [];
  for (const part of path.split(/([\udc80-\udcff])/u)) {
    parts.push(ESCAPE.test(part) ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part));
  }
  return Buffer.concat(parts);
}

/** What `node:fs` must be given to reach the file `path`: the string itself wherever that is enough. */
export function fsPath(path: string): string | Buffer {
  return hasRawBytes(path) ? encodePath(path) : path;
}

/** The string of a name that was read with the encoding `latin1`, one character for each byte. */
export function decodeLatin1Path(name: string): string {
  return BEYOND_ASCII.test(name) ? decodePath(Buffer.from(name, 'latin1')) : name;
}

function hasRawBytes(path: string): boolean {
  return ESCAPE.test(path);
}

/** Bytes of the valid UTF-8 sequence at `at`, or 0. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
