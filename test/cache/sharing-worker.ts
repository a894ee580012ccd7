/**
 * One of the processes of sharing.test.ts: `builder` or `pruner`. Prints what it did; dies on any broken promise of the cache.
 *
 * A "thing" is a file that a record refers to, as a snapshot would be.
 */
import { existsSync, mkdirSync, readdirSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLease } from '../../src/cache/lease.ts';
import { pruneRecords } from '../../src/cache/prune.ts';
import type { ResultCodec } from '../../src/cache/record-file.ts';
import { createCacheStorage } from '../../src/cache/storage.ts';
import { digestOf } from '../../src/core/digest.ts';
import { errnoOf } from '../../src/core/errors.ts';
import { keyNamed } from '../conformance/cache-storage.ts';

const [, , role, root = '', name = '', roundsText = '0', baseText = ''] = process.argv;
const rounds = Number(roundsText);
const base = Number(baseText);
const cache = join(root, 'cache');
const leases = join(root, 'leases');
const things = join(root, 'things');
const KEYS = 12;
const LOOKUPS = 30;

interface Result {
  readonly key: string;
  readonly thing: string;
}

const codec: ResultCodec<Result> = {
  encode: (result) => result,
  async decode(data) {
    const result = data as Result;
    return existsSync(join(things, result.thing)) ? result : undefined;
  },
  references: (data) => [(data as Result).thing],
};

/**
 * Every millisecond is a second, so that what was used a moment ago is old. Ten days behind, so that files which were not marked by
 * this clock are never old.
 */
const clock = (): number => base - 10 * 86_400_000 + (Date.now() - base) * 1000;

const storage = createCacheStorage({ dir: cache, codec, clock });
mkdirSync(things, { recursive: true });

/** A small generator, so that a run can be repeated. */
let state = Buffer.from(name).reduce((sum, byte) => sum * 31 + byte, 7);
function random(below: number): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((state / 2_147_483_648) * below);
}

let made = 0;

async function build(): Promise<{ hits: number; misses: number }> {
  await using _lease = await acquireLease(leases, clock);
  const used: string[] = [];
  let hits = 0;
  for (let i = 0; i < LOOKUPS; i++) {
    const key = `key ${random(KEYS)}`;
    const found = await storage.find(keyNamed(key));
    if (found) {
      if (found.result.key !== key) throw new Error(`${name}: "${key}" found the result of "${found.result.key}"`);
      used.push(found.result.thing);
      hits++;
    } else {
      const thing = `${name}-${made++}`;
      writeFileSync(join(things, thing), '');
      utimesSync(join(things, thing), clock() / 1000, clock() / 1000);
      await storage.save([keyNamed(key)], { result: { key, thing }, identity: digestOf(thing) }, key);
      used.push(thing);
    }
  }
  // Whatever a build has found or made stays for as long as it runs.
  for (const thing of used)
    if (!existsSync(join(things, thing))) throw new Error(`${name}: "${thing}" was pruned while in use`);
  return { hits, misses: LOOKUPS - hits };
}

async function prune(): Promise<number> {
  const { references, horizonMs } = await pruneRecords({
    dir: cache,
    leases,
    references: codec.references,
    discard: () => random(2) === 0,
    clock,
  });
  let removed = 0;
  for (const thing of readdirSync(things)) {
    const stats = statSync(join(things, thing), { throwIfNoEntry: false });
    if (!stats || references.has(thing) || stats.mtimeMs >= horizonMs) continue;
    try {
      unlinkSync(join(things, thing));
      removed++;
    } catch (error) {
      // The other pruner was quicker.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return removed;
}

const total = { hits: 0, misses: 0, removed: 0 };
for (let round = 0; round < rounds; round++) {
  if (role === 'pruner') {
    total.removed += await prune();
  } else {
    const { hits, misses } = await build();
    total.hits += hits;
    total.misses += misses;
  }
}
console.log(JSON.stringify(total));
