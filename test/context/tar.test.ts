import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StreamContext } from '../../src/context/tar.ts';
import { openStreamContext } from '../../src/context/tar.ts';
import { rejectsWith } from '../support/assert.ts';
import { tempDir } from '../support/temp.ts';
import type { TarItem } from '../support/tars.ts';
import { tarOf } from '../support/tars.ts';

const test = suite('context from a stream');

async function* chunked(bytes: Buffer, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function open(parent: string, bytes: Buffer, signal = new AbortController().signal): Promise<StreamContext> {
  return openStreamContext(chunked(bytes), { signal, parent });
}

const ITEMS: readonly TarItem[] = [
  { path: './' },
  { path: './Dockerfile', content: 'FROM scratch\n' },
  { path: 'dir/sub/', mode: 0o555 },
  { path: 'dir/run', content: 'x', mode: 0o4751 },
  { path: 'dir/link', type: 'SymbolicLink', linkpath: '../../outside' },
  { path: 'dir/hard', type: 'Link', linkpath: './Dockerfile' },
];

for (const [name, bytes] of [
  ['plain', tarOf(ITEMS)],
  ['compressed', gzipSync(tarOf(ITEMS))],
] as const) {
  test(`a ${name} tar becomes a directory, which goes in the end`, async () => {
    await using temp = await tempDir();
    {
      await using context = await open(temp.path, bytes);
      assert.is(context.dockerfile, undefined);
      const at = (path: string): string => join(context.path, path);
      assert.is(readFileSync(at('dir/hard'), 'utf8'), 'FROM scratch\n');
      assert.is(statSync(at('Dockerfile')).ino, statSync(at('dir/hard')).ino);
      assert.is(statSync(at('dir/run')).mode & 0o7777, 0o4751);
      assert.is(statSync(at('dir/sub')).mode & 0o7777, 0o555);
      assert.is(statSync(at('dir/run')).mtimeMs, 1_700_000_000_000);
      assert.is(statSync(at('dir/sub')).mtimeMs, 1_700_000_000_000);
      assert.is(readlinkSync(at('dir/link')), '../../outside');
      assert.is(statSync(context.path).mode & 0o7777, 0o700);
    }
    assert.equal(readdirSync(temp.path), []);
  });
}

test('what is no tar is a Dockerfile without files', async () => {
  await using temp = await tempDir();
  const text = `FROM scratch\n${'# a long comment\n'.repeat(100)}`;
  await using context = await open(temp.path, Buffer.from(text));
  assert.is(context.dockerfile, text);
  assert.equal(readdirSync(context.path), []);
  await using empty = await open(temp.path, Buffer.alloc(0));
  assert.is(empty.dockerfile, '');
});

test('an empty tar is an empty context', async () => {
  await using temp = await tempDir();
  await using context = await open(temp.path, tarOf([]));
  assert.is(context.dockerfile, undefined);
});

test('a later entry replaces an earlier one', async () => {
  await using temp = await tempDir();
  const bytes = tarOf([
    { path: 'a/b', content: '1' },
    { path: 'a', type: 'SymbolicLink', linkpath: '/etc' },
    { path: 'a/', mode: 0o700 },
    { path: 'a/c', content: '2' },
    { path: 'x', content: 'old' },
    { path: 'x', content: 'new' },
  ]);
  await using context = await open(temp.path, bytes);
  assert.equal(readdirSync(join(context.path, 'a')), ['c']);
  assert.is(readFileSync(join(context.path, 'x'), 'utf8'), 'new');
});

const REFUSED: readonly (readonly [
  name: string,
  code: Parameters<typeof rejectsWith>[0],
  items: readonly TarItem[],
])[] = [
  ['a name that climbs', 'path-escape', [{ path: '../x' }]],
  ['a name that climbs later', 'path-escape', [{ path: 'a/../../x' }]],
  ['an absolute name that climbs', 'path-escape', [{ path: '/../x' }]],
  [
    'a file below a link',
    'invalid-archive',
    [{ path: 'way', type: 'SymbolicLink', linkpath: '/etc' }, { path: 'way/x' }],
  ],
  ['a file below a file', 'invalid-archive', [{ path: 'f' }, { path: 'f/x' }]],
  ['a hard link that climbs', 'path-escape', [{ path: 'x', type: 'Link', linkpath: '../../etc/passwd' }]],
  ['a hard link to nothing', 'invalid-archive', [{ path: 'x', type: 'Link', linkpath: 'y' }]],
  ['a device', 'unsupported', [{ path: 'x', type: 'CharacterDevice' }]],
];

for (const [name, code, items] of REFUSED) {
  test(`refused, with nothing left: ${name}`, async () => {
    await using temp = await tempDir();
    await rejectsWith(code, () => open(temp.path, tarOf([{ path: 'first', content: 'x' }, ...items])));
    assert.equal(readdirSync(temp.path), []);
    assert.not(existsSync(join(temp.path, '../x')));
  });
}

test('a cut stream and an aborted one leave nothing', async () => {
  await using temp = await tempDir();
  const bytes = gzipSync(tarOf(ITEMS));
  await rejectsWith('invalid-archive', () => open(temp.path, bytes.subarray(0, bytes.length - 20)));
  await rejectsWith('cancelled', () => open(temp.path, tarOf(ITEMS), AbortSignal.abort()));
  assert.equal(readdirSync(temp.path), []);
});

test.run();
