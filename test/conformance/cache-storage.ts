/** What every `CacheStorage` must do. Results are numbers. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { contentKey, definitionKey } from '../../src/solver/cache-key.ts';
import type { CacheKey, CacheStorage, Solved } from '../../src/solver/types.ts';

export interface CacheStorageRig extends AsyncDisposable {
  readonly storage: CacheStorage<number>;
  setTime(ms: number): void;
  /** Makes results equal to `value` unloadable, as when what they name has been removed. */
  lose(value: number): void;
}

export function keyNamed(name: string): CacheKey {
  return definitionKey(digestOf(name), []);
}

export function solvedAs(value: number): Solved<number> {
  return { result: value, identity: digestOf(`identity ${value}`) };
}

/** Defines the suite for one implementation; the caller runs it. */
export function cacheStorageSuite(name: string, open: () => Promise<CacheStorageRig>): { readonly run: () => void } {
  const test = suite(`${name} is a cache storage`);

  test('a key without a record is a miss', async () => {
    await using rig = await open();
    assert.is(await rig.storage.find(keyNamed('a')), undefined);
  });

  test('what was saved is found under each key, with identity and time', async () => {
    await using rig = await open();
    rig.setTime(5000);
    await rig.storage.save([keyNamed('a'), contentKey(digestOf('a'), [])], solvedAs(1), 'RUN one');
    rig.setTime(9000);
    for (const key of [keyNamed('a'), contentKey(digestOf('a'), [])]) {
      assert.equal(await rig.storage.find(key), { ...solvedAs(1), createdAtMs: 5000 });
    }
    assert.is(await rig.storage.find(keyNamed('b')), undefined);
  });

  test('saving under a key replaces what was there', async () => {
    await using rig = await open();
    await rig.storage.save([keyNamed('a'), keyNamed('b')], solvedAs(1), 'one');
    await rig.storage.save([keyNamed('a')], solvedAs(2), 'two');
    assert.is((await rig.storage.find(keyNamed('a')))?.result, 2);
    assert.is((await rig.storage.find(keyNamed('b')))?.result, 1);
  });

  test('a found record can be saved under a further key', async () => {
    await using rig = await open();
    await rig.storage.save([keyNamed('a')], solvedAs(1), 'one');
    const found = await rig.storage.find(keyNamed('a'));
    assert.ok(found);
    await rig.storage.save([keyNamed('b')], found, 'one again');
    assert.equal(await rig.storage.find(keyNamed('b')), found);
    assert.equal(await rig.storage.find(keyNamed('a')), found);
  });

  test('a record whose result is gone is a miss, until it is saved anew', async () => {
    await using rig = await open();
    await rig.storage.save([keyNamed('a'), keyNamed('b')], solvedAs(1), 'one');
    rig.lose(1);
    assert.is(await rig.storage.find(keyNamed('a')), undefined);
    assert.is(await rig.storage.find(keyNamed('b')), undefined);
    await rig.storage.save([keyNamed('a')], solvedAs(2), 'two');
    assert.is((await rig.storage.find(keyNamed('a')))?.result, 2);
  });

  test('any number of look-ups and saves may go on at once', async () => {
    await using rig = await open();
    const names = Array.from({ length: 50 }, (_, index) => `key ${index}`);
    await Promise.all(
      names.map(async (key, index) => await rig.storage.save([keyNamed(key), keyNamed('last')], solvedAs(index), key)),
    );
    const found = await Promise.all(names.map(async (key) => await rig.storage.find(keyNamed(key))));
    assert.equal(
      found.map((record) => record?.result),
      names.map((_, index) => index),
    );
    assert.ok((await rig.storage.find(keyNamed('last'))) !== undefined);
  });

  return test;
}
