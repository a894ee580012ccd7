import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Compression } from '../../src/layer/compress.ts';
import { compressLayer, decompress, detectCompression } from '../../src/layer/compress.ts';
import { rejectsWith } from '../support/assert.ts';
import { chunked, collect } from './support.ts';

const test = suite('layer compression');

/** Made by make.sh in the same folder: one tar in every format. */
const FIXTURES = fileURLToPath(new URL('../../fixtures/layers/compressed/', import.meta.url));
const plain = fs.readFileSync(`${FIXTURES}small.tar`);
const FORMATS: readonly (readonly [Compression, string])[] = [
  ['none', 'small.tar'],
  ['gzip', 'small.tar.gz'],
  ['zstd', 'small.tar.zst'],
  ['bzip2', 'small.tar.bz2'],
  ['xz', 'small.tar.xz'],
];

for (const [kind, name] of FORMATS) {
  const bytes = fs.readFileSync(FIXTURES + name);

  test(`${kind} is told by its first bytes and decoded, whatever the chunks`, async () => {
    assert.is(detectCompression(bytes), kind);
    for (const size of [1, 5, 700, bytes.length])
      assert.ok((await collect(decompress(chunked(bytes, size)))).equals(plain), `chunks of ${size}`);
  });

  test(`a failing source of ${kind} is reported as it is`, async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 20);
      throw new Error('the line is dead');
    }
    await collect(decompress(source())).then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, 'the line is dead'),
    );
  });

  test(`a reader of ${kind} that stops early stops the source`, async () => {
    let stopped = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield* chunked(bytes, 64);
      } finally {
        stopped = true;
      }
    }
    for await (const chunk of decompress(source())) if (chunk.length > 0) break;
    // Streams are torn down in later turns of the event loop.
    for (let turn = 0; turn < 100 && !stopped; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.is(stopped, true);
  });

  if (kind === 'none') continue;

  test(`${kind} that is cut is refused`, async () => {
    for (const part of [0.2, 0.5, 0.9]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * part));
      await rejectsWith('invalid-archive', () => collect(decompress(chunked(cut, 100))), new RegExp(kind));
    }
    await rejectsWith('invalid-archive', () => collect(decompress(chunked(bytes.subarray(0, -1)))));
  });

  test(`${kind} that is damaged is refused`, async () => {
    const damaged = Buffer.from(bytes);
    damaged.fill(0x55, 30, 60);
    await rejectsWith('invalid-archive', () => collect(decompress(chunked(damaged))), new RegExp(kind));
  });
}

test('gzip may have several members', async () => {
  const bytes = Buffer.concat([gzipSync('one '), gzipSync('two')]);
  assert.is((await collect(decompress(chunked(bytes, 3)))).toString(), 'one two');
});

test('an empty or tiny file is not compressed', async () => {
  assert.is(detectCompression(Buffer.alloc(0)), 'none');
  assert.is((await collect(decompress(chunked(Buffer.from('BZ'))))).toString(), 'BZ');
  assert.is((await collect(decompress(chunked(Buffer.alloc(0))))).length, 0);
});

test('compressLayer() digests both forms in one pass, the same way each time', async () => {
  const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const once = async (size: number): Promise<Buffer> => {
    let out: Buffer = Buffer.alloc(0);
    const result = await compressLayer(
      chunked(plain, size),
      async (compressed) => void (out = await collect(compressed)),
    );
    assert.equal(result, {
      digest: sha256(out),
      sizeBytes: out.length,
      diffID: sha256(plain),
      uncompressedSizeBytes: plain.length,
    });
    return out;
  };
  const first = await once(1000);
  assert.ok(gunzipSync(first).equals(plain));
  // The header's time.
  assert.equal([...first.subarray(4, 8)], [0, 0, 0, 0]);
  assert.ok((await once(1000)).equals(first));
});

test('compressLayer() passes on the failures of both ends', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield plain;
    throw new Error('source');
  }
  const message = (error: Error): string => error.message;
  assert.is(await compressLayer(broken(), async (out) => void (await collect(out))).then(() => '', message), 'source');
  assert.is(
    await compressLayer(chunked(plain), () => Promise.reject(new Error('sink'))).then(() => '', message),
    'sink',
  );
});

test('a bzip2 file that is decoded at one stroke is read to its end', async () => {
  const bytes = Buffer.from('QlpoOTFBWSZTWRkxZT0AAACBAAJEoAAhmmgzTQczi7kinChIDJiynoA=', 'base64');
  assert.is((await collect(decompress(chunked(bytes, bytes.length)))).toString(), 'hello');
});

test.run();
