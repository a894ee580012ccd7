import { linkSync, mkdirSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquireLease } from '../../src/cache/lease.ts';
import type { PruneRecordsOptions, StoredRecord } from '../../src/cache/prune.ts';
import { pruneRecords } from '../../src/cache/prune.ts';
import { createCacheStorage } from '../../src/cache/storage.ts';
import { takeTurn } from '../../src/cache/turn.ts';
import { BuildError } from '../../src/core/errors.ts';
import { compareBytes } from '../../src/core/paths.ts';
import { keyNamed, solvedAs } from '../conformance/cache-storage.ts';
import { numberCodec, tempDir } from './rig.ts';

const test = suite('pruneRecords()');

const HOUR = 3_600_000;

function rig(dir: string) {
  const clock = { now: 1_700_000_000_000 };
  const cache = join(dir, 'cache');
  const leases = join(dir, 'leases');
  const codec = numberCodec();
  return {
    cache,
    leases,
    clock,
    storage: createCacheStorage({ dir: cache, codec, clock: () => clock.now }),
    names: (folder: string) => readdirSync(join(cache, folder)).sort(),
    prune: async (discard?: PruneRecordsOptions['discard'], signal?: AbortSignal) =>
      await pruneRecords({
        dir: cache,
        leases,
        references: codec.references,
        clock: () => clock.now,
        ...(discard && { discard }),
        ...(signal && { signal }),
      }),
  };
}

const everything = (): boolean => true;

test('an empty store has nothing to prune', async () => {
  using dir = tempDir();
  const outcome = await rig(dir.path).prune(everything);
  assert.equal(outcome.removed, []);
  assert.is(outcome.references.size, 0);
});

test('removes what is chosen, with its keys, and tells what the others refer to', async () => {
  using dir = tempDir();
  const { storage, clock, prune, names } = rig(dir.path);
  await storage.save([keyNamed('a'), keyNamed('b')], solvedAs(1), 'RUN one');
  await storage.save([keyNamed('c')], solvedAs(2), 'RUN two');
  clock.now += HOUR;
  const offered: StoredRecord[] = [];
  const outcome = await prune((record) => {
    offered.push(record);
    return record.description === 'RUN one';
  });
  assert.equal(
    offered
      .sort((a, b) => compareBytes(a.description, b.description))
      .map(({ description, lastUsedMs, createdAtMs, reachable, references }) => [
        description,
        Math.round(lastUsedMs),
        createdAtMs,
        reachable,
        references,
      ]),
    [
      ['RUN one', clock.now - HOUR, clock.now - HOUR, true, ['thing 1']],
      ['RUN two', clock.now - HOUR, clock.now - HOUR, true, ['thing 2']],
    ],
  );
  assert.equal(
    outcome.removed.map(({ description }) => description),
    ['RUN one'],
  );
  assert.equal([...outcome.references], ['thing 2']);
  assert.ok(outcome.horizonMs <= clock.now);
  assert.is(names('records').length, 1);
  assert.is(names('keys').length, 1);
  assert.equal(names('claimed'), []);
  assert.is(await storage.find(keyNamed('a')), undefined);
  assert.is((await storage.find(keyNamed('c')))?.result, 2);
});

test('removes what no key leads to any more unless told otherwise', async () => {
  using dir = tempDir();
  const { storage, clock, prune } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'old');
  await storage.save([keyNamed('a')], solvedAs(2), 'new');
  clock.now += HOUR;
  const { removed } = await prune();
  assert.equal(
    removed.map(({ description, reachable }) => [description, reachable]),
    [['old', false]],
  );
});

test('keeps what was used since the oldest running build began', async () => {
  using dir = tempDir();
  const { storage, clock, prune, leases } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'used');
  await storage.save([keyNamed('b')], solvedAs(2), 'unused');
  clock.now += HOUR;
  await using lease = await acquireLease(leases, () => clock.now);
  clock.now += HOUR;
  await storage.find(keyNamed('a'));
  clock.now += HOUR;
  const outcome = await prune(everything);
  assert.equal(
    outcome.removed.map(({ description }) => description),
    ['unused'],
  );
  assert.equal([...outcome.references], ['thing 1']);
  assert.ok(outcome.horizonMs <= lease.startedAtMs);
});

test('puts back what is used while it is being chosen', async () => {
  using dir = tempDir();
  const { storage, clock, prune, names, cache } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'one');
  clock.now += HOUR;
  const outcome = await prune((record) => {
    // As `find` of another process would do at this moment.
    utimesSync(join(cache, 'records', record.id), clock.now / 1000, clock.now / 1000);
    return true;
  });
  assert.equal(outcome.removed, []);
  assert.equal([...outcome.references], ['thing 1']);
  assert.is(names('records').length, 1);
  assert.equal(names('claimed'), []);
  assert.is((await storage.find(keyNamed('a')))?.result, 1);
});

test('decides anew about what a pruner that died had claimed', async () => {
  using dir = tempDir();
  const { storage, clock, prune, names, cache } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'one');
  await storage.save([keyNamed('b')], solvedAs(2), 'two');
  mkdirSync(join(cache, 'claimed'));
  for (const id of names('records')) renameSync(join(cache, 'records', id), join(cache, 'claimed', id));
  clock.now += HOUR;
  const outcome = await prune(({ description }) => description === 'one');
  assert.equal(
    outcome.removed.map(({ description }) => description),
    ['one'],
  );
  assert.equal(names('claimed'), []);
  assert.is((await storage.find(keyNamed('b')))?.result, 2);
});

test('waits for the pruner whose turn it is, and gives up when told so', async () => {
  using dir = tempDir();
  const { storage, clock, prune, names, cache } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'one');
  clock.now += HOUR;
  const other = await takeTurn(join(cache, 'pruning'), { purpose: 'test' });
  const controller = new AbortController();
  const waiting = prune(everything, controller.signal);
  controller.abort();
  try {
    await waiting;
    assert.unreachable();
  } catch (error) {
    assert.is(error instanceof BuildError && error.code, 'cancelled');
  }
  assert.is(names('records').length, 1);
  const second = prune(everything);
  other[Symbol.dispose]();
  assert.is((await second).removed.length, 1);
  assert.equal(names('pruning'), []);
});

test('does not overwrite a record that was saved again while it was claimed', async () => {
  using dir = tempDir();
  const { storage, clock, prune, names, cache } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'one');
  const [id = ''] = names('records');
  mkdirSync(join(cache, 'claimed'));
  linkSync(join(cache, 'records', id), join(cache, 'claimed', id));
  clock.now += HOUR;
  await storage.save([keyNamed('a')], solvedAs(1), 'one, saved again');
  const { ino } = statSync(join(cache, 'records', id));
  await prune(() => false);
  assert.is(statSync(join(cache, 'records', id)).ino, ino);
  assert.equal(names('claimed'), []);
});

test('clears away what is no record, and what was being written by processes that died', async () => {
  using dir = tempDir();
  const { storage, clock, prune, names, cache } = rig(dir.path);
  await storage.save([keyNamed('a')], solvedAs(1), 'one');
  const id = 'f'.repeat(64);
  const long = (clock.now - HOUR) / 1000;
  for (const path of [join('records', id), join('tmp', 'old')]) {
    writeFileSync(join(cache, path), 'rubbish');
    utimesSync(join(cache, path), long, long);
  }
  writeFileSync(join(cache, 'tmp', 'new'), 'being written');
  writeFileSync(join(cache, 'keys', 'e'.repeat(64)), 'rubbish');
  clock.now += HOUR;
  const outcome = await prune(() => false);
  assert.equal(outcome.removed, []);
  assert.is(names('records').length, 1);
  assert.equal(names('tmp'), ['new']);
  assert.is(names('keys').length, 1);
});

test.run();
