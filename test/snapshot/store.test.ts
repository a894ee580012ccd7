import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asDiffID, digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../../src/core/owner.ts';
import { createSnapshotStore } from '../../src/snapshot/store.ts';
import type { LayerScan, SnapshotId } from '../../src/snapshot/types.ts';

const test = suite<{ root: string }>('snapshot store');

test.before.each((context) => {
  context.root = fs.mkdtempSync(join(tmpdir(), 'tsbuild-snapshots-'));
});
test.after.each((context) => {
  fs.rmSync(context.root, { recursive: true, force: true });
});

/** Names and sizes; enough to notice a file that lost its content. */
async function scanLayer(dir: string): Promise<LayerScan> {
  const names = fs.readdirSync(dir, { recursive: true }).map(String).sort();
  return {
    opaqueDirs: ['/o'],
    xattrs: new Map(names.includes('capable') ? [['/capable', digestOf('capability')]] : []),
    fingerprint: names.map((name) => `${name}:${fs.lstatSync(join(dir, name)).size}`).join(),
  };
}

const open = (root: string) => createSnapshotStore({ root, scanLayer, now: () => 1234 });

async function committed(root: string, content = 'x'): Promise<SnapshotId> {
  const active = await open(root).prepare();
  fs.writeFileSync(join(active.upper, 'file'), content);
  return (await active.commit()).id;
}

test('commit() keeps what was written and nothing of the work directory', async ({ root }) => {
  const store = open(root);
  const active = await store.prepare();
  assert.is(fs.statSync(active.upper).mode & 0o7777, 0o755);
  fs.writeFileSync(join(active.upper, 'file'), 'x');
  fs.mkdirSync(join(active.work, 'work'));
  const snapshot = await active.commit();
  await active[Symbol.asyncDispose]();
  assert.is(fs.readFileSync(join(snapshot.dir, 'file'), 'utf8'), 'x');
  assert.equal(fs.readdirSync(join(snapshot.dir, '..')).sort(), ['fs', 'meta.json']);
  assert.equal(fs.readdirSync(join(root, 'snapshots/active')), []);
  assert.equal(await open(root).get(snapshot.id), snapshot);
  assert.equal(snapshot.opaqueDirs, ['/o']);
  assert.is(snapshot.createdAtMs, 1234);
});

test('a snapshot keeps what attributes its files have; one without them in its metadata has none', async ({ root }) => {
  const store = open(root);
  const active = await store.prepare();
  fs.writeFileSync(join(active.upper, 'capable'), 'x');
  const snapshot = await active.commit();
  assert.equal([...snapshot.xattrs], [['/capable', digestOf('capability')]]);
  assert.equal(await open(root).get(snapshot.id), snapshot);
  const path = join(snapshot.dir, '../meta.json');
  const { xattrs, ...meta } = JSON.parse(fs.readFileSync(path, 'utf8')) as Record<string, unknown>;
  assert.ok(xattrs);
  fs.writeFileSync(path, JSON.stringify(meta));
  assert.equal(await open(root).get(snapshot.id), { ...snapshot, xattrs: new Map() });
});

test('disposing an uncommitted snapshot removes it', async ({ root }) => {
  {
    await using active = await open(root).prepare();
    fs.writeFileSync(join(active.upper, 'file'), 'x');
  }
  assert.equal(fs.readdirSync(join(root, 'snapshots/active')), []);
  assert.equal(await open(root).list(), []);
});

test('the next process sweeps what a dead one left, and spares the living', async ({ root }) => {
  const living = await open(root).prepare();
  const owner = currentOwner();
  const active = join(root, 'snapshots/active');
  const left = [
    ownedName('a1', { ...owner, startTime: '1' }),
    ownedName('a2', { ...owner, bootId: 'f'.repeat(32) }),
    ownedName('a3', { ...owner, pid: 2 ** 22 + 1 }),
  ];
  for (const name of left) fs.mkdirSync(join(active, name, 'fs/deep'), { recursive: true });
  const foreign = ownedName('a4', { ...owner, pidNamespace: '1', pid: 2 ** 22 + 1 });
  fs.mkdirSync(join(active, foreign));
  await (await open(root).prepare())[Symbol.asyncDispose]();
  assert.equal(new Set(fs.readdirSync(active)), new Set([foreign, living.upper.split('/').at(-2) ?? '']));
  assert.is(isAbandoned(ownedName('a5', owner), owner), false);
});

test('a layer of an earlier boot is used while it matches its fingerprint, and dropped when it does not', async ({
  root,
}) => {
  const [whole, torn] = [await committed(root, 'whole'), await committed(root, 'torn')];
  for (const id of [whole, torn]) {
    const path = join(root, 'snapshots/committed', id, 'meta.json');
    fs.writeFileSync(path, fs.readFileSync(path, 'utf8').replace(currentOwner().bootId, '0'.repeat(32)));
  }
  fs.truncateSync(join(root, 'snapshots/committed', torn, 'fs/file'), 0);
  const store = open(root);
  assert.is((await store.get(whole))?.id, whole);
  assert.match(fs.readFileSync(join(root, 'snapshots/committed', whole, 'meta.json'), 'utf8'), currentOwner().bootId);
  assert.is(await store.get(torn), undefined);
  assert.equal(
    (await store.list()).map(({ id }) => id),
    [whole],
  );
});

test('a snapshot whose metadata was lost is none', async ({ root }) => {
  const id = await committed(root);
  fs.truncateSync(join(root, 'snapshots/committed', id, 'meta.json'), 0);
  assert.is(await open(root).get(id), undefined);
  assert.equal(await open(root).list(), []);
});

test('layerDigest() returns what was set, and nothing when the record is torn', async ({ root }) => {
  const id = await committed(root);
  const store = open(root);
  assert.is(await store.layerDigest(id), undefined);
  const digest = { diffID: asDiffID(digestOf('x')), sizeBytes: 12 };
  await store.setLayerDigest(id, digest);
  assert.equal(await open(root).layerDigest(id), digest);
  fs.writeFileSync(join(root, 'snapshots/committed', id, 'layer.json'), '{"diffID":"sha2');
  assert.is(await store.layerDigest(id), undefined);
});

test('the first snapshot recorded for a key wins until it is removed', async ({ root }) => {
  const [first, second] = [await committed(root), await committed(root)];
  const key = digestOf('layer');
  assert.is(await open(root).findUnpacked(key), undefined);
  assert.is(await open(root).setUnpacked(key, first), first);
  assert.is(await open(root).setUnpacked(key, second), first);
  assert.is((await open(root).findUnpacked(key))?.id, first);
  await open(root).remove(first);
  assert.is(await open(root).findUnpacked(key), undefined);
  assert.is(await open(root).setUnpacked(key, second), second);
  assert.is((await open(root).findUnpacked(key))?.id, second);
  assert.equal(fs.readdirSync(join(root, 'snapshots/active')), []);
});

test('concurrent records of one key agree', async ({ root }) => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => committed(root)));
  const winners = await Promise.all(ids.map((id) => open(root).setUnpacked(digestOf('k'), id)));
  assert.is(new Set(winners).size, 1);
});

test('remove() of what is not there is no error', async ({ root }) => {
  const id = await committed(root);
  const store = open(root);
  await store.remove(id);
  await store.remove(id);
  assert.is(await store.get(id), undefined);
  assert.equal(fs.readdirSync(join(root, 'snapshots/active')), []);
});

test('a store that cannot be written says so', async ({ root }) => {
  const failing = createSnapshotStore({
    root,
    scanLayer: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })),
  });
  const active = await failing.prepare();
  try {
    await active.commit();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, BuildError);
    assert.is((error as BuildError).code, 'store-full');
  }
  await active[Symbol.asyncDispose]();
  assert.equal(fs.readdirSync(join(root, 'snapshots/active')), []);
});

test.run();
