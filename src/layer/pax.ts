/** PAX extended headers: `<length> <key>=<value>\n` records (POSIX.1-2017, pax, "pax Extended Header"). */
import { decodePath } from '../core/path-bytes.ts';
import { invalidArchive } from '../core/archive-errors.ts';

const XATTR_PREFIX = 'SCHILY.xattr.';
const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** What a header's records say about the entry that follows; an empty value takes back what a global header said. */
export interface PaxFields {
  path?: string;
  linkPath?: string;
  size?: number;
  uid?: number;
  gid?: number;
  mtimeNs?: bigint;
  xattrs?: Map<string, Uint8Array>;
  /** The records of GNU's sparse formats, without `GNU.sparse.`. */
  sparse?: Map<string, string>;
}

/** Adds the records in `bytes` to `fields`, later ones winning. Keys that mean nothing to us are passed over. */
export function parsePax(bytes: Buffer, fields: PaxFields): void {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(SPACE, at);
    const length = space === -1 || space - at > 10 ? NaN : decimal(bytes.toString('latin1', at, space));
    const end = at + length;
    const equals = bytes.indexOf(EQUALS, space);
    if (
      !(end <= bytes.length) ||
      equals === -1 ||
      equals >= end ||
      equals === space + 1 ||
      bytes[end - 1] !== NEWLINE
    ) {
      throw invalidArchive('a PAX record is malformed');
    }
    setField(fields, bytes.toString('utf8', space + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
}

function setField(fields: PaxFields, key: string, value: Buffer): void {
  switch (key) {
    case 'path':
      return set(fields, 'path', value, (bytes) => name(key, bytes));
    case 'linkpath':
      return set(fields, 'linkPath', value, (bytes) => name(key, bytes));
    case 'size':
      return set(fields, 'size', value, (bytes) => integer(key, bytes));
    case 'uid':
      return set(fields, 'uid', value, (bytes) => integer(key, bytes));
    case 'gid':
      return set(fields, 'gid', value, (bytes) => integer(key, bytes));
    case 'mtime':
      return set(fields, 'mtimeNs', value, (bytes) => time(bytes.toString('latin1')));
  }
  if (key.startsWith(XATTR_PREFIX) && key.length > XATTR_PREFIX.length) {
    fields.xattrs ??= new Map();
    // A copy: the buffer belongs to the stream.
    fields.xattrs.set(key.slice(XATTR_PREFIX.length), Uint8Array.from(value));
  } else if (key.startsWith('GNU.sparse.')) {
    addSparse((fields.sparse ??= new Map()), key.slice('GNU.sparse.'.length), decodePath(value));
  }
}

/** Format 0.0 repeats two keys for each part of the file; 0.1 has all of them in one. */
function addSparse(sparse: Map<string, string>, key: string, value: string): void {
  if (key !== 'offset' && key !== 'numbytes') sparse.set(key, value);
  else sparse.set('map', sparse.has('map') ? `${sparse.get('map')},${value}` : value);
}

function set<K extends keyof PaxFields>(
  fields: PaxFields,
  key: K,
  value: Buffer,
  parse: (bytes: Buffer) => PaxFields[K],
): void {
  if (value.length === 0) delete fields[key];
  else fields[key] = parse(value);
}

function name(key: string, bytes: Buffer): string {
  if (bytes.includes(0)) throw invalidArchive(`the PAX record "${key}" has a zero byte`);
  return decodePath(bytes);
}

function integer(key: string, bytes: Buffer): number {
  const text = bytes.toString('latin1');
  const value = decimal(text);
  if (!Number.isSafeInteger(value)) throw invalidArchive(`the PAX record "${key}" is no number: "${text}"`);
  return value;
}

function decimal(text: string): number {
  return /^[0-9]+$/.test(text) ? Number(text) : NaN;
}

/** Seconds with a fraction of any length; what is finer than nanoseconds is cut. */
function time(text: string): bigint {
  const match = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw invalidArchive(`the PAX record "mtime" is no time: "${text}"`);
  const [, sign, seconds = '', fraction = ''] = match;
  const nanoseconds = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -nanoseconds : nanoseconds;
}
