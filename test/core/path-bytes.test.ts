import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeLatin1Path, decodePath, encodePath, fsPath } from '../../src/core/path-bytes.ts';
import { compareBytes } from '../../src/core/paths.ts';

const test = suite('path bytes');

test('any bytes come back unchanged, by either way', () => {
  // Plain random bytes are hardly ever near valid UTF-8, so pieces of it are mixed in.
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.constantFrom('ü', '日', '😀', 'a').map((text) => new Uint8Array(Buffer.from(text))),
    fc
      .constantFrom([0xc3], [0xed, 0xb2, 0x80], [0xf0, 0x9f, 0x98], [0xc0, 0xaf])
      .map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const bytes = Buffer.concat(pieces);
      const text = decodePath(bytes);
      assert.equal([...encodePath(text)], [...bytes]);
      assert.is(decodeLatin1Path(bytes.toString('latin1')), text);
    }),
    { numRuns: 300 },
  );
});

test('two names are never one string', () => {
  // The bytes that a lone surrogate would have in UTF-8 are no UTF-8.
  const names = [[0xff], [0xed, 0xb3, 0xbf], [0xef, 0xbf, 0xbd]].map((bytes) => decodePath(Buffer.from(bytes)));
  assert.is(new Set(names).size, 3);
});

test('valid text stays as it is', () => {
  for (const text of ['', 'a/b', 'ü', '😀\u{10ffff}', '\ufffd']) {
    assert.is(decodePath(Buffer.from(text)), text);
    assert.is(fsPath(text), text);
  }
  assert.ok(Buffer.isBuffer(fsPath('a\udc80')));
});

test('names are compared by their bytes, also where they are not UTF-8', () => {
  const sorted = ['a', '\u{ffff}', '\u{10000}', '\udcff'];
  assert.equal([...sorted].reverse().sort(compareBytes), sorted);
  assert.ok(compareBytes('\udcfe', '\udcff') < 0);
  assert.is(compareBytes('\udcff', '\udcff'), 0);
});

test.run();
