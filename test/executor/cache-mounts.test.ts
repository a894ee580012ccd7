import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalTree } from '../../src/context/local.ts';
import { currentOwner, ownedName } from '../../src/core/owner.ts';
import type { CacheMountOp, CacheSeed } from '../../src/executor/cache-mounts.ts';
import { CacheMounts } from '../../src/executor/cache-mounts.ts';
import { select } from '../../src/executor/selection.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import { rejectsWith } from '../support/assert.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';
import { ToyTree } from '../support/toy-tree.ts';

const suiteOfCaches = suite('cache mounts');
const test = privileged(suiteOfCaches);

const FOREVER = new AbortController().signal;

function caches(root: string): CacheMounts {
  let count = 0;
  return new CacheMounts({
    root,
    files: async () => createNativeFiles({ binaryPath: findRuntimeBinary() }),
    newId: () => String(count++),
  });
}

function mount(sharing: CacheMountOp['sharing'], rest: Partial<CacheMountOp> = {}): CacheMountOp {
  const owner = { mode: 0o700, uid: 5, gid: 6 };
  return { kind: 'cache', target: '/c', id: 'id', sharing, readonly: false, source: '/', ...owner, ...rest };
}

/** The one directory of a store with one cache. */
function only(root: string): string {
  const names = readdirSync(join(root, 'cache-mounts'));
  assert.is(names.length, 1);
  return join(root, 'cache-mounts', names[0] ?? '');
}

test('a cache is made once with its mode and owner', async () => {
  await using temp = await tempDir();
  const all = caches(temp.path);
  await using first = await all.open(mount('shared'), undefined, FOREVER);
  const stats = statSync(first.dir);
  assert.equal([stats.mode & 0o7777, stats.uid, stats.gid], [0o700, 5, 6]);
  writeFileSync(join(first.dir, 'kept'), '');
  await using second = await all.open(mount('shared'), undefined, FOREVER);
  assert.is(second.dir, first.dir);
  await using other = await all.open(mount('shared', { id: 'other' }), undefined, FOREVER);
  assert.is.not(other.dir, first.dir);
});

test('a mount with another mode or owner has a cache of its own, made under the umask 022', async () => {
  await using temp = await tempDir();
  const all = caches(temp.path);
  const open = async (rest: Partial<CacheMountOp>): Promise<string> => {
    await using cache = await all.open(mount('shared', rest), undefined, FOREVER);
    return cache.dir;
  };
  const wide = await open({ mode: 0o1777 });
  assert.is(statSync(wide).mode & 0o7777, 0o755);
  const plain = { mode: 0o755, uid: 0, gid: 0 };
  const others = await Promise.all([{}, plain, { ...plain, uid: 5 }, { ...plain, gid: 6 }].map(open));
  assert.is(new Set([wide, ...others]).size, 5);
});

test('a seeded cache has the mode and owner of its seed', async () => {
  await using temp = await tempDir();
  const dir = join(temp.path, 'seed');
  mkdirSync(join(dir, 'sub'), { recursive: true });
  chmodSync(dir, 0o751);
  chownSync(dir, 3, 4);
  chownSync(join(dir, 'sub'), 3, 4);
  const tree = new LocalTree(dir);
  const [source] = select(tree, { source: '/', wildcard: false, exclude: [] });
  const ids = async (identity: unknown, id: string): Promise<unknown> => {
    const seed: CacheSeed = { tree, source: source!, identity };
    await using cache = await caches(temp.path).open(mount('shared', { id }), seed, FOREVER);
    const [root, sub] = [statSync(cache.dir), statSync(join(cache.dir, 'sub'))];
    return [root.mode & 0o7777, root.uid, root.gid, sub.uid];
  };
  assert.equal(await ids('stage', 'stage'), [0o751, 3, 4, 3]);
  assert.equal(await ids(undefined, 'client'), [0o751, 0, 0, 0]);
});

test('a held cache is waited for until the wait is aborted', async () => {
  await using temp = await tempDir();
  const all = caches(temp.path);
  const controller = new AbortController();
  {
    await using held = await all.open(mount('locked'), undefined, FOREVER);
    const waiting = all.open(mount('locked'), undefined, controller.signal);
    controller.abort();
    await rejectsWith('cancelled', () => waiting);
    await using apart = await all.open(mount('private'), undefined, FOREVER);
    assert.is.not(apart.dir, held.dir);
  }
  await using again = await all.open(mount('locked'), undefined, FOREVER);
  assert.ok(again.dir.endsWith('/0'));
});

test('what a dead process holds is free', async () => {
  await using temp = await tempDir();
  const all = caches(temp.path);
  await (await all.open(mount('shared'), undefined, FOREVER))[Symbol.asyncDispose]();
  const base = only(temp.path);
  mkdirSync(join(base, ownedName('0', { ...currentOwner(), startTime: '1' })));
  mkdirSync(join(base, ownedName('0', { ...currentOwner(), bootId: 'earlier' })));
  {
    await using held = await all.open(mount('locked'), undefined, FOREVER);
    assert.is(held.dir, join(base, '0'));
  }
  assert.equal(readdirSync(base), ['0']);
});

test('a seed that cannot be copied leaves no cache and no lock', async () => {
  await using temp = await tempDir();
  // Its files are nowhere on the host.
  const tree = new ToyTree({ '/seed/file': 'x' });
  const [source] = select(tree, { source: '/seed', wildcard: false, exclude: [] });
  const seed: CacheSeed = { tree, source: source!, identity: 'seed' };
  await rejectsWith('source-changed', () => caches(temp.path).open(mount('locked'), seed, FOREVER));
  assert.equal(readdirSync(only(temp.path)), []);
});

suiteOfCaches.run();
