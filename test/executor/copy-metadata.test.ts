/** What copies keep of a file beside its content: mode, times, owner, links, attributes, type and name. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readTar } from '../../src/layer/reader.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import type { CopyAction } from '../../src/solver/op.ts';
import { ExecutorRig, from, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { DIR, FILE, fill, onto } from './copies.ts';

const suiteOfMetadata = suite('metadata of copies');
const test = privileged(suiteOfMetadata);

test('modes, special bits, times and owners: kept from a stage, reset from the context', async () => {
  await using rig = await ExecutorRig.open();
  const source = (dir: string): void => {
    fill(dir, { 'dir/plain': 'x', 'dir/suid': 'x', 'dir/private': null, 'dir/sticky': null });
    chmodSync(join(dir, 'dir/private'), 0o700);
    chmodSync(join(dir, 'dir/sticky'), 0o1777);
    symlinkSync('plain', join(dir, 'dir/link'));
    for (const name of ['plain', 'suid', 'private']) chownSync(join(dir, 'dir', name), 12, 34);
    chmodSync(join(dir, 'dir/suid'), 0o4755);
    utimesSync(join(dir, 'dir/plain'), 1_000_000_000, 1_000_000_000);
    utimesSync(join(dir, 'dir/private'), 1_000_000_001, 1_000_000_001);
    utimesSync(join(dir, 'dir'), 1_000_000_002, 1_000_000_002);
  };
  const actions = [
    { selection: DIR, destination: '/kept', resetOwner: false },
    { selection: DIR, destination: '/reset' },
  ];
  const tree = await rig.tree(await onto(rig, {}, source, ...actions));
  assert.equal(listing(tree, '/kept'), [
    'symlink 0:0 /kept/link -> plain',
    'file 644 12:34 /kept/plain',
    'directory 700 12:34 /kept/private',
    'directory 1777 0:0 /kept/sticky',
    'file 4755 12:34 /kept/suid',
  ]);
  assert.equal(listing(tree, '/reset').slice(1, 3), ['file 644 0:0 /reset/plain', 'directory 700 0:0 /reset/private']);
  assert.is(tree.lstat('/kept/plain')?.mtimeNs, 1_000_000_000_000_000_000n);
  assert.is(tree.lstat('/kept/private')?.mtimeNs, 1_000_000_001_000_000_000n);
  assert.is(tree.lstat('/kept')?.mtimeNs, 1_000_000_002_000_000_000n);
});

test('directories below the destination take the metadata of the source, the destination does not', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.layer((dir) => {
    fill(dir, { 'dst/sub': null });
    chownSync(join(dir, 'dst'), 7, 7);
    chmodSync(join(dir, 'dst'), 0o711);
    chownSync(join(dir, 'dst/sub'), 7, 7);
  });
  const source = (dir: string): void => {
    fill(dir, { 'dir/sub/x': 'x' });
    chmodSync(join(dir, 'dir/sub'), 0o2775);
  };
  const made = await onto(rig, root, source, { selection: DIR, destination: '/dst', owner: { user: '5', group: '6' } });
  assert.equal(listing(await rig.tree(made)), [
    'directory 711 7:7 /dst',
    'directory 2775 5:6 /dst/sub',
    'file 644 5:6 /dst/sub/x',
  ]);
});

test('hard links within one source stay links, between two they do not', async () => {
  await using rig = await ExecutorRig.open();
  const source = (dir: string): void => {
    fill(dir, { 'dir/a': 'shared', 'dir/sub': null });
    linkSync(join(dir, 'dir/a'), join(dir, 'dir/b'));
    linkSync(join(dir, 'dir/a'), join(dir, 'dir/sub/c'));
  };
  const made = await onto(
    rig,
    {},
    source,
    { selection: DIR, destination: '/dst' },
    { selection: from('/dir/a'), destination: '/single' },
  );
  const tree = await rig.tree(made);
  const ids = ['/dst/a', '/dst/b', '/dst/sub/c'].map((path) => tree.lstat(path)?.hardLinkId);
  assert.ok(ids[0]);
  assert.is(new Set(ids).size, 1);
  assert.is(tree.lstat('/single')?.hardLinkId, undefined);
});

test('capabilities survive a copy to another owner', async () => {
  await using rig = await ExecutorRig.open();
  const capability = Buffer.from('0100000200300000000000000000000000000000', 'hex');
  const files = createNativeFiles({ binaryPath: findRuntimeBinary() });
  const active = await rig.snapshots.prepare();
  {
    await using writer = files.openWriter({ kind: 'directory', path: active.upper });
    const metadata = { mode: 0o755, uid: 0, gid: 0, xattrs: new Map([['security.capability', capability]]) };
    await writer.file('/tool', metadata, { kind: 'bytes', data: Buffer.from('x') }, { existing: 'update' });
    await writer.close();
  }
  const { id } = await active.commit();
  const source = { ...(await rig.scratch()), result: { kind: 'layers' as const, layers: [id] } };
  const action = { selection: from('/tool'), destination: '/dst', owner: { user: '5' } };
  const made = await rig.copy(await rig.scratch(), source, action);
  const top = made.result.kind === 'layers' ? await rig.snapshots.get(made.result.layers[0]!) : undefined;
  for await (const entry of readTar(files.packLayer(top?.dir ?? ''))) {
    if (entry.path !== 'dst') continue;
    assert.is(entry.uid, 5);
    assert.equal(Buffer.from(entry.xattrs.get('security.capability') ?? []), capability);
    return;
  }
  assert.unreachable('the copy is in the layer');
});

test('pipes are copied as such, devices become character devices', async () => {
  await using rig = await ExecutorRig.open();
  const source = (dir: string): void => {
    mkdirSync(join(dir, 'dir'));
    execFileSync('mkfifo', ['-m', '640', join(dir, 'dir/pipe')]);
    execFileSync('mknod', ['-m', '600', join(dir, 'dir/disk'), 'b', '8', '1']);
  };
  const tree = await rig.tree(await onto(rig, {}, source, { selection: DIR, destination: '/dst' }));
  assert.equal(listing(tree, '/dst'), ['character 600 0:0 /dst/disk', 'fifo 640 0:0 /dst/pipe']);
  assert.equal(tree.lstat('/dst/disk')?.device, { major: 8, minor: 1 });
});

const OWNERS: readonly (readonly [owner: CopyAction['owner'], ids: string])[] = [
  [{ user: 'app' }, '1000:1000'],
  [{ user: 'app', group: 'extra' }, '1000:2000'],
  [{ user: '1234' }, '1234:1234'],
  [{ user: '0', group: '33' }, '0:33'],
  [{ user: 'app', group: '99' }, '1000:99'],
  [{ user: '7', group: 'wheel' }, '7:10'],
  [{ user: 'stranger' }, '0:0'],
  [{ user: 'app', group: 'strangers' }, '1000:1000'],
];

test('owners by number and by the names of the image, for directories on the way too', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.busybox();
  for (const [owner, ids] of OWNERS) {
    const made = await onto(rig, root, { file: 'x' }, { selection: FILE, destination: '/new/dir/', owner: owner! });
    const tree = await rig.tree(made);
    assert.equal(
      ['/new', '/new/dir', '/new/dir/file'].map((path) => `${tree.lstat(path)?.uid}:${tree.lstat(path)?.gid}`),
      [ids, ids, ids],
    );
  }
  assert.equal(rig.log, [
    'Warning: "stranger" is not in /etc/passwd of the image\n',
    'Warning: "strangers" is not in /etc/group of the image\n',
  ]);
});

test('--chmod in octal reaches new parents, as with dockerd under its umask', async () => {
  await using rig = await ExecutorRig.open();
  const octal = (mode: number): CopyAction['mode'] => ({ kind: 'octal', mode });
  const source = { file: 'x', 'dir/sub/file': 'x', 'dir/link': '-> sub' };
  const made = await onto(
    rig,
    {},
    source,
    { selection: FILE, destination: '/suid', mode: octal(0o4711)! },
    { selection: FILE, destination: '/new/file', mode: octal(0o600)! },
    { selection: DIR, destination: '/tree', mode: octal(0o1777)! },
  );
  assert.equal(listing(await rig.tree(made)), [
    'directory 600 0:0 /new',
    'file 600 0:0 /new/file',
    'file 4711 0:0 /suid',
    'directory 755 0:0 /tree',
    'symlink 0:0 /tree/link -> sub',
    'directory 1777 0:0 /tree/sub',
    'file 1777 0:0 /tree/sub/file',
  ]);
});

test('--chmod by clauses starts from the mode of the source', async () => {
  await using rig = await ExecutorRig.open();
  const mode: CopyAction['mode'] = { kind: 'symbolic', clauses: 'a=rX' };
  const source = (dir: string): void => {
    fill(dir, { 'dir/sub/plain': 'x', 'dir/sub/run': 'x' });
    chmodSync(join(dir, 'dir/sub/run'), 0o700);
  };
  const made = await onto(rig, {}, source, { selection: DIR, destination: '/tree', mode });
  assert.equal(listing(await rig.tree(made)), [
    'directory 755 0:0 /tree',
    'directory 555 0:0 /tree/sub',
    'file 444 0:0 /tree/sub/plain',
    'file 555 0:0 /tree/sub/run',
  ]);
});

test('names that are not UTF-8 survive', async () => {
  await using rig = await ExecutorRig.open();
  const source = (dir: string): void => {
    mkdirSync(join(dir, 'dir'));
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/dir/x`), Buffer.of(0xff, 0x0a)]), 'bytes');
  };
  const made = await onto(rig, {}, source, { selection: DIR, destination: '/dst' });
  const layers = made.result.kind === 'layers' ? made.result.layers : [];
  const top = await rig.snapshots.get(layers[layers.length - 1]!);
  const host = Buffer.concat([Buffer.from(`${top?.dir ?? ''}/dst/x`), Buffer.of(0xff, 0x0a)]);
  assert.is(lstatSync(host).size, 5);
});

suiteOfMetadata.run();
