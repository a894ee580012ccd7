/**
 * A streaming reader of tar archives: ustar, PAX, GNU and v7.
 *
 * Entries come in the order of the archive, with names as they are written there; nothing about them is checked that a reader need
 * not know. The content of an entry is read before the next entry is asked for, or passed over.
 */
import { decodePath } from '../core/path-bytes.ts';
import { BuildError } from '../core/errors.ts';
import type { EntryType } from '../core/tree.ts';
import { ByteReader } from './bytes.ts';
import { archiveLimit, invalidArchive } from '../core/archive-errors.ts';
import type { Header } from './header.ts';
import { BLOCK, isZeroBlock, parseHeader } from './header.ts';
import type { PaxFields } from './pax.ts';
import { parsePax } from './pax.ts';
import type { SparseRecords } from './sparse.ts';
import { expandSparse, sparseSize } from './sparse.ts';

export type TarEntryType = Exclude<EntryType, 'socket'> | 'link';

export interface TarEntry {
  /** As in the archive: may be absolute, end in a slash, or have `.` and `..` in it. */
  readonly path: string;
  readonly type: TarEntryType;
  /** At most 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file, in bytes; else 0. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of symbolic and hard links. */
  readonly linkPath: string;
  readonly device: { readonly major: number; readonly minor: number };
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** The bytes of a file, to be read once, before the next entry. */
  readonly content: AsyncIterable<Uint8Array>;
  /** The whole content, where it is in memory anyway. */
  readonly buffered: Uint8Array | undefined;
}

export interface TarLimits {
  readonly maxEntries: number;
  readonly maxPathBytes: number;
  /** Of one extended header. */
  readonly maxHeaderBytes: number;
}

export const DEFAULT_TAR_LIMITS: TarLimits = { maxEntries: 5_000_000, maxPathBytes: 4096, maxHeaderBytes: 1 << 20 };

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
};

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const MAX_ID = 0xffff_fffe;
/** Extended headers in front of one entry. */
const MAX_EXTENDED = 16;

/** Whether `source` begins like an archive with at least one entry, whatever can be read of it. */
export async function startsLikeTar(source: AsyncIterable<Uint8Array>): Promise<boolean> {
  const reader = new ByteReader(source);
  try {
    return (await nextHeader(reader, {}, DEFAULT_TAR_LIMITS)) !== undefined;
  } catch (error) {
    if (error instanceof BuildError && error.code === 'invalid-archive') return false;
    throw error;
  } finally {
    await reader.stop();
  }
}

/**
 * Throws `invalid-archive` or `limit-exceeded`. Reads `source` to its end, also beyond the end of the archive, unless `after` says that
 * what is there does not matter.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits = DEFAULT_TAR_LIMITS,
  after: 'drain' | 'stop' = 'drain',
): AsyncGenerator<TarEntry, void> {
  const reader = new ByteReader(source);
  const globals: PaxFields = {};
  let finished = false;
  try {
    for (let count = 0; ; count++) {
      const entry = await nextEntry(reader, globals, limits);
      if (entry === undefined) break;
      if (count === limits.maxEntries) throw archiveLimit(`it has more than ${limits.maxEntries} entries`);
      yield entry;
      await entry.content.finish();
    }
    if (after === 'drain') {
      await reader.drain();
      finished = true;
    }
  } finally {
    if (!finished) await reader.stop();
  }
}

interface OpenEntry extends TarEntry {
  readonly content: AsyncIterable<Uint8Array> & { finish(): Promise<void> };
}

async function nextEntry(reader: ByteReader, globals: PaxFields, limits: TarLimits): Promise<OpenEntry | undefined> {
  const next = await nextHeader(reader, globals, limits);
  return next === undefined ? undefined : openEntry(reader, next.header, next.fields, limits);
}

async function nextHeader(
  reader: ByteReader,
  globals: PaxFields,
  limits: TarLimits,
): Promise<{ readonly header: Header; readonly fields: PaxFields } | undefined> {
  // Applied when the entry comes, because a global header may still come between.
  const local: ((fields: PaxFields) => void)[] = [];
  for (;;) {
    const block = reader.takeNow(BLOCK) ?? (await reader.take(BLOCK));
    if (block === undefined || isZeroBlock(block)) {
      if (local.length > 0) throw invalidArchive('an extended header has no entry');
      return undefined;
    }
    if (local.length > MAX_EXTENDED) throw archiveLimit('an entry has too many extended headers');
    const header = parseHeader(block);
    if (header.size < 0) throw invalidArchive('an entry has a negative size');
    switch (header.type) {
      case 'x':
      case 'X': {
        const bytes = await extended(reader, header, limits);
        local.push((fields) => parsePax(bytes, fields));
        continue;
      }
      case 'g':
        parsePax(await extended(reader, header, limits), globals);
        continue;
      case 'L': {
        const path = longName(await extended(reader, header, limits));
        local.push((fields) => (fields.path = path));
        continue;
      }
      case 'K': {
        const linkPath = longName(await extended(reader, header, limits));
        local.push((fields) => (fields.linkPath = linkPath));
        continue;
      }
      case 'V':
        // The label of a volume.
        await reader.skip(padded(header.size));
        continue;
    }
    const fields: PaxFields = { ...globals };
    if (globals.xattrs !== undefined) fields.xattrs = new Map(globals.xattrs);
    for (const apply of local) apply(fields);
    return { header, fields };
  }
}

function openEntry(reader: ByteReader, header: Header, pax: PaxFields, limits: TarLimits): OpenEntry {
  const { sparse } = pax;
  const path = sparse?.get('name') ?? pax.path ?? header.name;
  const linkPath = pax.linkPath ?? header.linkName;
  const storedSize = pax.size ?? header.size;
  // Before directories had a type, a slash told them.
  const type = header.type === '0' && path.endsWith('/') && storedSize === 0 ? 'directory' : TYPES[header.type];
  if (header.type === 'S') throw invalidArchive(`"${path}" is a sparse file in the old format of GNU tar`);
  if (type === undefined) throw invalidArchive(`"${path}" has the unknown type "${header.type}"`);
  if (path.length > limits.maxPathBytes || linkPath.length > limits.maxPathBytes) {
    throw archiveLimit(`a path has more than ${limits.maxPathBytes} bytes: "${path.slice(0, 80)}..."`);
  }
  const uid = pax.uid ?? header.uid;
  const gid = pax.gid ?? header.gid;
  if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID)
    throw invalidArchive(`the owner ${uid}:${gid} of "${path}" is out of range`);
  // Other entries have no content, whatever their size says.
  const stored = type === 'file' ? storedSize : 0;
  const isSparse = type === 'file' && sparse !== undefined;
  const buffered = isSparse ? undefined : reader.takeNow(padded(stored))?.subarray(0, stored);
  const content = new Content(reader, stored, buffered);
  return {
    path,
    type,
    mode: header.mode & 0o7777,
    uid,
    gid,
    size: isSparse ? sparseSize(sparse) : stored,
    mtimeNs: pax.mtimeNs ?? BigInt(header.mtimeSeconds) * 1_000_000_000n,
    linkPath,
    device: { major: header.major, minor: header.minor },
    xattrs: pax.xattrs ?? NO_XATTRS,
    content: isSparse ? new SparseContent(sparse, content) : content,
    buffered,
  };
}

class Content implements AsyncIterable<Uint8Array> {
  private readonly reader: ByteReader;
  private readonly buffered: Uint8Array | undefined;
  private left: number;
  private padding: number;

  constructor(reader: ByteReader, size: number, buffered: Uint8Array | undefined) {
    this.reader = reader;
    this.buffered = buffered;
    this.left = buffered === undefined ? size : 0;
    this.padding = buffered === undefined ? padded(size) - size : 0;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    if (this.buffered !== undefined) {
      if (this.buffered.length > 0) yield this.buffered;
      return;
    }
    while (this.left > 0) {
      const part = await this.reader.takeSome(this.left);
      if (part === undefined) throw invalidArchive('the archive ends within a file');
      this.left -= part.length;
      yield part;
    }
  }

  /** Passes over what was not read. */
  async finish(): Promise<void> {
    const rest = this.left + this.padding;
    this.left = this.padding = 0;
    if (rest > 0) await this.reader.skip(rest);
  }
}

class SparseContent implements AsyncIterable<Uint8Array> {
  private readonly records: SparseRecords;
  private readonly stored: Content;

  constructor(records: SparseRecords, stored: Content) {
    this.records = records;
    this.stored = stored;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    return expandSparse(this.records, this.stored);
  }

  finish(): Promise<void> {
    return this.stored.finish();
  }
}

async function extended(reader: ByteReader, header: Header, limits: TarLimits): Promise<Buffer> {
  if (header.size > limits.maxHeaderBytes)
    throw archiveLimit(`an extended header has more than ${limits.maxHeaderBytes} bytes`);
  const bytes = await reader.take(padded(header.size));
  if (bytes === undefined) throw invalidArchive('the archive ends early');
  return bytes.subarray(0, header.size);
}

function longName(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return decodePath(end === -1 ? bytes : bytes.subarray(0, end));
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}
