import { readFileSync, readdirSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCacheStorage } from '../../src/cache/storage.ts';
import { hexOf } from '../../src/core/digest.ts';
import { cacheStorageSuite, keyNamed, solvedAs } from '../conformance/cache-storage.ts';
import { numberCodec, tempDir } from './rig.ts';

cacheStorageSuite('createCacheStorage()', async () => {
  const dir = tempDir();
  const lost = new Set<number>();
  let time = 1000;
  return {
    storage: createCacheStorage({ dir: join(dir.path, 'cache'), codec: numberCodec(lost), clock: () => time }),
    setTime: (ms) => void (time = ms),
    lose: (value) => void lost.add(value),
    async [Symbol.asyncDispose]() {
      dir[Symbol.dispose]();
    },
  };
}).run();

const test = suite('cache storage on disk');

function open(dir: string, time = 1_700_000_000_123) {
  const paths = { records: join(dir, 'records'), keys: join(dir, 'keys') };
  const files = (path: string): string[] => readdirSync(path).map((name) => join(path, name));
  return {
    storage: createCacheStorage({ dir, codec: numberCodec(), clock: () => time }),
    records: () => files(paths.records),
    keys: () => files(paths.keys),
    keyFile: (name: string) => join(paths.keys, hexOf(keyNamed(name))),
  };
}

function only<T>(items: readonly T[]): T {
  assert.is(items.length, 1);
  return items[0]!;
}

test('another process finds what was saved', async () => {
  using dir = tempDir();
  await open(dir.path).storage.save([keyNamed('a')], solvedAs(1), 'RUN make');
  assert.is((await open(dir.path).storage.find(keyNamed('a')))?.result, 1);
});

test('a record is canonical JSON that a person can read', async () => {
  using dir = tempDir();
  const { storage, records } = open(dir.path, 1234);
  await storage.save([keyNamed('a')], solvedAs(1), 'RUN make');
  const { identity } = solvedAs(1);
  assert.is(
    readFileSync(only(records()), 'utf8'),
    `{"createdAtMs":1234,"description":"RUN make","identity":"${identity}","keys":["${keyNamed('a')}"],"result":{"value":1},"version":1}\n`,
  );
});

test('an equal result is one record, with the keys of both', async () => {
  using dir = tempDir();
  const { storage, records, keys } = open(dir.path);
  await storage.save([keyNamed('a'), keyNamed('b')], solvedAs(1), 'one');
  await storage.save([keyNamed('a'), keyNamed('c')], solvedAs(1), 'one');
  const { keys: listed } = JSON.parse(readFileSync(only(records()), 'utf8'));
  assert.equal(listed, ['b', 'a', 'c'].map(keyNamed));
  assert.is(keys().length, 3);
});

test('a record does not list keys without end', async () => {
  using dir = tempDir();
  const { storage, records } = open(dir.path);
  for (let i = 0; i < 40; i++) await storage.save([keyNamed(`key ${i}`)], solvedAs(1), 'one');
  const { keys: listed } = JSON.parse(readFileSync(only(records()), 'utf8'));
  assert.is(listed.length, 32);
  assert.is(listed.at(-1), keyNamed('key 39'));
  assert.is((await storage.find(keyNamed('key 0')))?.result, 1);
});

test('find marks the record as used, by the clock', async () => {
  using dir = tempDir();
  const first = open(dir.path, 1_600_000_000_500);
  await first.storage.save([keyNamed('a')], solvedAs(1), 'one');
  assert.is(Math.round(statSync(only(first.records())).mtimeMs), 1_600_000_000_500);
  await open(dir.path, 1_700_000_000_250).storage.find(keyNamed('a'));
  assert.is(Math.round(statSync(only(first.records())).mtimeMs), 1_700_000_000_250);
});

test('a record cut off anywhere is a miss, and its key goes', async () => {
  using dir = tempDir();
  const { storage, records, keys } = open(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'RUN make');
  const { size } = statSync(only(records()));
  for (let length = 0; length < size - 1; length++) {
    truncateSync(only(records()), length);
    assert.is(await storage.find(keyNamed('a')), undefined, `${length} bytes`);
    assert.is(keys().length, 0);
    await storage.save([keyNamed('a')], solvedAs(1), 'RUN make');
  }
});

test('a record that says something else than its name is a miss', async () => {
  using dir = tempDir();
  const { storage, records, keys } = open(dir.path);
  const damage: readonly ((text: string) => string)[] = [
    (text) => text.replace('"value":1', '"value":2'),
    (text) => text.replace('sha256:', 'sha257:'),
    (text) => text.replace('"version":1', '"version":99'),
    (text) => text.replace(/"createdAtMs":\d+/, '"createdAtMs":"now"'),
    (text) => text.replace(/"keys":\[.*?\]/, '"keys":[7]'),
    () => 'null',
    () => '[]',
    () => '\0'.repeat(300),
  ];
  for (const change of damage) {
    await storage.save([keyNamed('a')], solvedAs(1), 'one');
    const path = only(records());
    const text = readFileSync(path, 'utf8');
    assert.is.not(change(text), text);
    writeFileSync(path, change(text));
    assert.is(await storage.find(keyNamed('a')), undefined, change(text));
    assert.is(keys().length, 0);
  }
});

test('a damaged key is a miss, and goes', async () => {
  using dir = tempDir();
  const { storage, records, keyFile, keys } = open(dir.path);
  for (const text of ['', 'x\n', '../../../etc/passwd\n', 'a'.repeat(64), `${'a'.repeat(63)}G\n`]) {
    await storage.save([keyNamed('a'), keyNamed('b')], solvedAs(1), 'one');
    writeFileSync(keyFile('a'), text);
    assert.is(await storage.find(keyNamed('a')), undefined, text);
    assert.is(keys().length, 1);
    assert.is((await storage.find(keyNamed('b')))?.result, 1);
  }
  assert.is(records().length, 1);
});

test('a key keeps while its record is claimed by a pruner', async () => {
  using dir = tempDir();
  const { storage, records } = open(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'one');
  const path = only(records());
  renameSync(path, join(dir.path, 'claimed'));
  assert.is(await storage.find(keyNamed('a')), undefined);
  renameSync(join(dir.path, 'claimed'), path);
  assert.is((await storage.find(keyNamed('a')))?.result, 1);
});

test('a cache directory that is a file is an error, not a miss', async () => {
  using dir = tempDir();
  writeFileSync(join(dir.path, 'cache'), 'a file');
  const storage = createCacheStorage({ dir: join(dir.path, 'cache'), codec: numberCodec() });
  for (const use of [() => storage.find(keyNamed('a')), () => storage.save([keyNamed('a')], solvedAs(1), 'one')]) {
    try {
      await use();
      assert.unreachable();
    } catch (error) {
      assert.match(String(error), /ENOTDIR|EEXIST/);
    }
  }
});

test('no temporary files stay behind', async () => {
  using dir = tempDir();
  const { storage } = open(dir.path);
  for (let i = 0; i < 5; i++) await storage.save([keyNamed(`${i}`)], solvedAs(i), 'one');
  assert.equal(readdirSync(join(dir.path, 'tmp')), []);
});

test.run();
