import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContentMemo } from '../../src/cache/content-memo.ts';
import { createContentMemo } from '../../src/cache/content-memo.ts';
import { MemoTable, formatMemo } from '../../src/cache/memo-file.ts';
import { digestOf } from '../../src/core/digest.ts';
import { tempDir } from './rig.ts';

const test = suite('content memo');

async function open(dir: string, maxEntries?: number): Promise<ContentMemo> {
  const memo = createContentMemo({ dir, ...(maxEntries !== undefined && { maxEntries }) });
  await memo.load();
  return memo;
}

test('another process knows what was saved', async () => {
  using dir = tempDir();
  const first = await open(join(dir.path, 'cache'));
  assert.is(first.get('1:2:3'), undefined);
  await first.set('1:2:3', digestOf('a'));
  await first.set('4:5:6', digestOf('b'));
  assert.is(first.get('1:2:3'), digestOf('a'));
  await first.save();
  const second = await open(join(dir.path, 'cache'));
  assert.is(second.get('1:2:3'), digestOf('a'));
  assert.is(second.get('4:5:6'), digestOf('b'));
  assert.is(second.get('7:8:9'), undefined);
});

test('what was loaded and what was learnt are saved together, the latter winning', async () => {
  using dir = tempDir();
  const first = await open(dir.path);
  await first.set('old', digestOf('old'));
  await first.set('both', digestOf('before'));
  await first.save();
  const second = await open(dir.path);
  await second.set('both', digestOf('after'));
  await second.set('new', digestOf('new'));
  await second.save();
  const third = await open(dir.path);
  assert.equal(
    ['old', 'both', 'new'].map((key) => third.get(key)),
    ['old', 'after', 'new'].map(digestOf),
  );
});

test('nothing is written when nothing was learnt', async () => {
  using dir = tempDir();
  const first = await open(dir.path);
  await first.set('a', digestOf('a'));
  await first.save();
  const { ino } = statSync(join(dir.path, 'content-memo'));
  const second = await open(dir.path);
  second.get('a');
  await second.save();
  await first.save();
  assert.is(statSync(join(dir.path, 'content-memo')).ino, ino);
});

test('where there is no room, what was not used for longest goes', async () => {
  using dir = tempDir();
  const first = await open(dir.path);
  for (const key of ['a', 'b', 'c']) await first.set(key, digestOf(key));
  await first.save();
  const second = await open(dir.path);
  second.get('b');
  await second.set('d', digestOf('d'));
  await second.save();
  const third = await open(dir.path, 4);
  third.get('a');
  await third.set('e', digestOf('e'));
  await third.save();
  const fourth = await open(dir.path);
  assert.equal(
    ['a', 'b', 'c', 'd', 'e'].filter((key) => fourth.get(key) !== undefined),
    ['a', 'b', 'd', 'e'],
  );
});

test('memory is bounded too', async () => {
  using dir = tempDir();
  const memo = await open(dir.path, 10);
  for (let i = 0; i < 50; i++) await memo.set(`key ${i}`, digestOf(`${i}`));
  assert.is(memo.get('key 39'), undefined);
  assert.is(memo.get('key 40'), digestOf('40'));
});

test('damage costs entries and never gives wrong ones', () => {
  const entries = ['a', 'b'].map((key) => ({ key, digest: digestOf(key), generation: 1 }));
  const whole = formatMemo(entries, 1);
  assert.is(MemoTable.parse(whole)?.get('a'), digestOf('a'));
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 1;
    for (const bytes of [damaged, whole.subarray(0, at)]) {
      const table = MemoTable.parse(bytes);
      assert.is(table?.get('a'), undefined, `at byte ${at}`);
      assert.equal([...(table?.entries() ?? [])], []);
    }
  }
});

test('a damaged file is replaced', async () => {
  using dir = tempDir();
  const path = join(dir.path, 'content-memo');
  writeFileSync(path, formatMemo([{ key: 'a', digest: digestOf('a'), generation: 1 }], 1).subarray(0, 80));
  const memo = await open(dir.path);
  assert.is(memo.get('a'), undefined);
  await memo.set('c', digestOf('c'));
  await memo.save();
  assert.is((await open(dir.path)).get('c'), digestOf('c'));
});

test('any number of entries can be read back', () => {
  for (const count of [0, 1, 64, 65, 1000]) {
    const entries = Array.from({ length: count }, (_, index) => {
      const key = `2049:${index}:17:1700000000000000000:1700000000000000000`;
      return { key, digest: digestOf(key), generation: index };
    });
    const table = MemoTable.parse(formatMemo(entries, 7));
    assert.is(table?.generation, 7);
    const read = [...(table?.entries() ?? [])].sort((a, b) => a.generation - b.generation);
    assert.equal(read, entries);
    for (const { key, digest } of entries) assert.is(table?.get(key), digest);
    assert.is(table?.get('2049:-1:17:1700000000000000000:1700000000000000000'), undefined);
  }
});

test('a key must fit on a line', async () => {
  using dir = tempDir();
  const memo = await open(dir.path);
  for (const key of ['', 'a\nb', 'ä']) {
    try {
      await memo.set(key, digestOf('a'));
      assert.unreachable();
    } catch (error) {
      assert.match(String(error), /cannot be the key/);
    }
  }
  await memo.save();
  assert.throws(() => readFileSync(join(dir.path, 'content-memo')), /ENOENT/);
});

test.run();
