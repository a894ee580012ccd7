/**
 * Sparse files in the PAX formats of GNU tar, 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files"): the archive holds the parts that
 * are not all zeros, and a map says where they are.
 */
import { ByteReader } from './bytes.ts';
import { invalidArchive } from '../core/archive-errors.ts';
import { BLOCK } from './header.ts';

/** The records `GNU.sparse.*` of an entry, without that prefix. Of format 0.0 all places are in `map`, as in 0.1. */
export type SparseRecords = ReadonlyMap<string, string>;

interface Part {
  readonly offset: number;
  readonly size: number;
}

const ZEROES = Buffer.alloc(64 << 10);
const NEWLINE = 0x0a;
const MAX_PARTS = 1 << 20;
/** A number of a map with its line end. */
const MAX_DIGITS = 20;

/** The size of the whole file in bytes. Throws `invalid-archive`. */
export function sparseSize(records: SparseRecords): number {
  return number(records.get('realsize') ?? records.get('size') ?? '');
}

/** The whole file, from what is stored of it. Throws `invalid-archive` if the two do not fit. */
export async function* expandSparse(
  records: SparseRecords,
  stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const size = sparseSize(records);
  const reader = new ByteReader(stored);
  const parts = records.get('major') === '1' ? await leadingMap(reader) : partsOf(numbersIn(records.get('map') ?? ''));
  let at = 0;
  for (const part of parts) {
    if (part.offset < at || part.offset + part.size > size)
      throw invalidArchive('the map of a sparse file is malformed');
    yield* zeroes(part.offset - at);
    for (let left = part.size; left > 0;) {
      const bytes = await reader.takeSome(left);
      if (bytes === undefined) throw invalidArchive('a sparse file has less content than its map says');
      left -= bytes.length;
      yield bytes;
    }
    at = part.offset + part.size;
  }
  yield* zeroes(size - at);
}

/** Format 1.0: lines of numbers in front of the content, the count of parts first, filled up to a whole block. */
async function leadingMap(reader: ByteReader): Promise<Part[]> {
  const numbers: number[] = [];
  let line = '';
  for (let wanted = 1; numbers.length < wanted;) {
    const block = await reader.take(BLOCK);
    if (block === undefined) throw invalidArchive('the map of a sparse file is missing');
    for (const byte of block) {
      if (byte !== NEWLINE) line += String.fromCharCode(byte);
      else {
        numbers.push(number(line));
        line = '';
        wanted = 1 + 2 * (numbers[0] ?? 0);
        if (numbers.length === wanted) break;
      }
      if (line.length > MAX_DIGITS || wanted > 2 * MAX_PARTS)
        throw invalidArchive('the map of a sparse file is malformed');
    }
  }
  return partsOf(numbers.slice(1));
}

function numbersIn(map: string): number[] {
  return map === '' ? [] : map.split(',').map(number);
}

function partsOf(numbers: readonly number[]): Part[] {
  if (numbers.length % 2 !== 0) throw invalidArchive('the map of a sparse file is malformed');
  return Array.from({ length: numbers.length / 2 }, (_, index) => ({
    offset: numbers[2 * index] ?? 0,
    size: numbers[2 * index + 1] ?? 0,
  }));
}

function* zeroes(size: number): Generator<Uint8Array, void> {
  for (let left = size; left > 0; left -= ZEROES.length) yield ZEROES.subarray(0, Math.min(left, ZEROES.length));
}

function number(text: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw invalidArchive('a number of a sparse file is malformed');
  return value;
}
