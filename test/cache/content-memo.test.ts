import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContentMemo } from '../../src/cache/content-memo.ts';
import { createContentMemo } from '../../src/cache/content-memo.ts';
import { formatMemo, parseMemo } from '../../src/cache/memo-file.ts';
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
  for (const key of ['a', 'b', 'c', 'd']) await first.set(key, digestOf(key));
  await first.save();
  const second = await open(dir.path, 3);
  second.get('a');
  await second.set('e', digestOf('e'));
  await second.save();
  const third = await open(dir.path);
  assert.equal(
    ['a', 'b', 'c', 'd', 'e'].filter((key) => third.get(key) !== undefined),
    ['a', 'd', 'e'],
  );
});

test('memory is bounded too', async () => {
  using dir = tempDir();
  const memo = await open(dir.path, 10);
  for (let i = 0; i < 50; i++) await memo.set(`key ${i}`, digestOf(`${i}`));
  assert.is(memo.get('key 39'), undefined);
  assert.is(memo.get('key 40'), digestOf('40'));
});

test('a damaged file is ignored and replaced', async () => {
  using dir = tempDir();
  const path = join(dir.path, 'content-memo');
  const whole = formatMemo([
    ['a', digestOf('a')],
    ['b', digestOf('b')],
  ]);
  assert.is(parseMemo(whole)?.keys.length, 2);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 1;
    assert.is(parseMemo(damaged), undefined, `byte ${at} changed`);
    assert.is(parseMemo(whole.subarray(0, at)), undefined, `cut off after ${at} bytes`);
  }
  assert.is(parseMemo(Buffer.concat([whole, Buffer.of(0)])), undefined);
  writeFileSync(path, whole.subarray(0, 40));
  const memo = await open(dir.path);
  assert.is(memo.get('a'), undefined);
  await memo.set('c', digestOf('c'));
  await memo.save();
  assert.is((await open(dir.path)).get('c'), digestOf('c'));
});

test('no entries make a file too', () => {
  assert.equal(parseMemo(formatMemo([]))?.keys, []);
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
