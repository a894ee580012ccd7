/** Compressed archives: told by their first bytes, decoded as they stream, and the one format that is written, gzip. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { PassThrough, pipeline, Readable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import * as zlib from 'node:zlib';
import type { Digest, DiffID } from '../core/digest.ts';
import { asDiffID, digestOfHash } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import { invalidArchive } from '../core/archive-errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** How many bytes `detectCompression` wants to see. */
export const MAGIC_BYTES = 6;

const CHUNK_BYTES = 256 << 10;

/** What a file that starts with `head` is compressed with. */
export function detectCompression(head: Uint8Array): Compression {
  return MAGIC.find(([, magic]) => magic.every((byte, index) => head[index] === byte))?.[0] ?? 'none';
}

/** Whether the file `path` begins like none of the compressed formats. */
export async function isPlainFile(path: string): Promise<boolean> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
  return detectCompression(buffer.subarray(0, bytesRead)) === 'none';
}

/** The plain bytes of `source`, whatever it is compressed with. Throws `invalid-archive` if they are corrupt or end early. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression?: Compression,
): AsyncGenerator<Uint8Array, void> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  try {
    while (compression === undefined && size < MAGIC_BYTES) {
      const next = await iterator.next();
      if (next.done === true) break;
      head.push(next.value);
      size += next.value.length;
    }
  } catch (error) {
    await iterator.return?.();
    throw error;
  }
  const all = rejoin(head, iterator);
  yield* decoded(all, compression ?? detectCompression(Buffer.concat(head)));
}

async function* rejoin(head: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    yield* head;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function decoded(source: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none':
      return source;
    case 'gzip':
      return through(source, () => zlib.createGunzip({ chunkSize: CHUNK_BYTES }), compression);
    case 'zstd':
      return decodeZstd(source);
    case 'bzip2':
      return decodeBzip2(source);
    case 'xz':
      return decodeXz(source);
  }
}

/** Passes `source` through `make()`. A failure of the source stays what it is; one of the decoder is a corrupt archive. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  make: () => Duplex,
  compression: Compression,
): AsyncGenerator<Uint8Array, void> {
  const watched = watch(source);
  const decoder = make();
  // `pipeline` destroys the decoder with the error, which the iteration below then throws.
  pipeline(Readable.from(watched.chunks, { objectMode: true, highWaterMark: 1 }), decoder, () => undefined);
  try {
    for await (const chunk of decoder as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    throw watched.failure() ?? corrupt(compression, error);
  }
}

interface Watched {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** What the source itself failed with. */
  readonly failure: () => unknown;
}

function watch(source: AsyncIterable<Uint8Array>): Watched {
  let failure: unknown;
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    try {
      // An empty chunk would end some decoders.
      for await (const chunk of source) if (chunk.length > 0) yield chunk;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  return { chunks: chunks(), failure: () => failure };
}

async function* decodeZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const native = zlib as { readonly createZstdDecompress?: (options: { chunkSize: number }) => Duplex };
  if (native.createZstdDecompress !== undefined) {
    const make = native.createZstdDecompress;
    yield* through(source, () => make({ chunkSize: CHUNK_BYTES }), 'zstd');
    return;
  }
  const { Decompress } = await import('fzstd');
  let out: Uint8Array[] = [];
  const decoder = new Decompress((data) => out.push(data));
  const push = (chunk: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      decoder.push(chunk, final);
    } catch (error) {
      throw corrupt('zstd', error);
    }
    const ready = out;
    out = [];
    return ready;
  };
  // The decoder keeps what it is given.
  for await (const chunk of source) if (chunk.length > 0) yield* push(Uint8Array.from(chunk), false);
  yield* push(new Uint8Array(), true);
}

async function* decodeBzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { default: unbzip2 } = await import('unbzip2-stream');
  const watched = watch(source);
  const input = Readable.from(watched.chunks, { objectMode: true, highWaterMark: 1 });
  // An old-style stream: errors come as events only, and do not end it.
  const decoder = unbzip2() as unknown as NodeJS.ReadWriteStream;
  // Not `Readable.wrap`, which drops what is not read yet when an old-style stream closes itself at its end.
  const output = decoder.pipe(new PassThrough());
  decoder.on('error', (error) => output.destroy(error));
  input.on('error', (error) => output.destroy(error));
  input.pipe(decoder);
  try {
    for await (const chunk of output as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    throw watched.failure() ?? corrupt('bzip2', error);
  } finally {
    input.destroy();
  }
}

async function* decodeXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { XzReadableStream } = await import('xz-decompress');
  const watched = watch(source);
  const input = ReadableStream.from(watched.chunks);
  try {
    const output = new XzReadableStream(input as ConstructorParameters<typeof XzReadableStream>[0]);
    for await (const chunk of output as unknown as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    throw watched.failure() ?? corrupt('xz', error);
  }
}

function corrupt(compression: Compression, error: unknown): unknown {
  if (error instanceof BuildError) return error;
  return invalidArchive(`its ${compression} data is corrupt or ends early`, error);
}

export interface CompressedLayer {
  /** Of the compressed bytes. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly diffID: DiffID;
  readonly uncompressedSizeBytes: number;
}

/**
 * Compresses `source` with gzip and hands the result to `sink`; the digests of both forms are taken on the way. The same bytes
 * give the same result with one version of zlib: there is no time and no name in the header.
 */
export async function compressLayer(
  source: AsyncIterable<Uint8Array>,
  sink: (compressed: AsyncIterable<Uint8Array>) => Promise<void>,
  options: { readonly level?: number } = {},
): Promise<CompressedLayer> {
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  let uncompressedSizeBytes = 0;
  let sizeBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of source) {
      plain.update(chunk);
      uncompressedSizeBytes += chunk.length;
      yield chunk;
    }
  }
  const gzip = zlib.createGzip({ level: options.level ?? 6, chunkSize: CHUNK_BYTES });
  pipeline(Readable.from(counted(), { objectMode: true, highWaterMark: 1 }), gzip, () => undefined);
  async function* compressed(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of gzip as AsyncIterable<Buffer>) {
      packed.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  }
  await sink(compressed());
  return { digest: digestOfHash(packed), sizeBytes, diffID: asDiffID(digestOfHash(plain)), uncompressedSizeBytes };
}
