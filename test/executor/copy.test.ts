import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDockerignore } from '../../src/context/dockerignore.ts';
import { LocalTree } from '../../src/context/local.ts';
import { readTar } from '../../src/layer/reader.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import type { CopyAction, FileAction } from '../../src/solver/op.ts';
import { rejectsWith } from '../support/assert.ts';
import type { Made } from '../support/executor-rig.ts';
import { ExecutorRig, from, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';

const suiteOfCopies = suite('copy');
const test = privileged(suiteOfCopies);

type Tree = Readonly<Record<string, string | null>>;

/** Directories for `null` and names that end in a slash; links for `-> target`. */
function fill(dir: string, tree: Tree): void {
  for (const [path, value] of Object.entries(tree)) {
    const host = join(dir, path);
    mkdirSync(join(host, '..'), { recursive: true });
    if (value === null) mkdirSync(host, { recursive: true });
    else if (value.startsWith('-> ')) symlinkSync(value.slice(3), host);
    else writeFileSync(host, value);
  }
}

async function onto(
  rig: ExecutorRig,
  base: Tree | Made,
  source: Tree | ((dir: string) => void),
  ...actions: readonly Partial<CopyAction>[]
): Promise<Made> {
  const root =
    'vertex' in base && 'result' in base ? (base as Made) : await rig.layer((dir) => fill(dir, base as Tree));
  const input = await rig.layer(typeof source === 'function' ? source : (dir) => fill(dir, source));
  return rig.copy(root, input, ...actions);
}

const FILE = from('/file');
const DIR = from('/dir');

/** What a COPY makes of a small file system. */
const RULES: readonly {
  readonly name: string;
  readonly base?: Tree;
  readonly source: Tree;
  readonly actions: readonly Partial<CopyAction>[];
  /** Paths with the text of files, or what they are. */
  readonly expected: Readonly<Record<string, string>>;
}[] = [
  {
    name: 'a slash makes a directory, its absence a name',
    source: { file: 'x' },
    actions: [
      { selection: FILE, destination: '/made/on/the/way/' },
      { selection: FILE, destination: '/made/renamed' },
    ],
    expected: { '/made/on/the/way/file': 'x', '/made/renamed': 'x' },
  },
  {
    name: 'an existing directory receives a file, with or without a slash',
    base: { 'tmp/': null, etc: null },
    source: { file: 'x' },
    actions: [
      { selection: FILE, destination: '/tmp' },
      { selection: FILE, destination: '/etc/' },
    ],
    expected: { '/tmp/file': 'x', '/etc/file': 'x' },
  },
  {
    name: 'the root in its spellings',
    source: { one: '1', two: '2', three: '3' },
    actions: ['/', '/.', '/./'].map((destination, at) => ({
      selection: from(`/${['one', 'two', 'three'][at] ?? ''}`),
      destination,
    })),
    expected: { '/one': '1', '/two': '2', '/three': '3' },
  },
  {
    name: 'a directory gives its contents',
    source: { 'dir/one': '1', 'dir/sub/two': '2', 'dir/empty': null },
    actions: [
      { selection: DIR, destination: '/a' },
      { selection: DIR, destination: '/b/' },
    ],
    expected: {
      '/a/one': '1',
      '/a/sub/two': '2',
      '/a/empty': 'directory',
      '/b/one': '1',
      '/b/sub/two': '2',
    },
  },
  {
    name: 'an empty directory is made',
    source: { dir: null },
    actions: [{ selection: DIR, destination: '/deep/er' }],
    expected: { '/deep/er': 'directory' },
  },
  {
    name: 'a merge replaces files and keeps the rest',
    base: { 'dst/shared/replaced': 'old', 'dst/shared/kept': 'kept' },
    source: { 'dir/shared/replaced': 'new', 'dir/mine/file': 'mine' },
    actions: [{ selection: DIR, destination: '/dst' }],
    expected: { '/dst/shared/replaced': 'new', '/dst/shared/kept': 'kept', '/dst/mine/file': 'mine' },
  },
  {
    name: 'several sources meet in one directory, later ones win',
    source: { 'dir/same': 'a', one: '1', 'dir2/same': 'b' },
    actions: [from('/dir/same'), from('/one'), from('/dir2/same')].map((selection) => ({
      selection,
      destination: '/dst/',
    })),
    expected: { '/dst/same': 'b', '/dst/one': '1' },
  },
  {
    name: 'without a slash the last of several files stays',
    source: { one: '1', two: '2' },
    actions: [from('/one'), from('/two')].map((selection) => ({ selection, destination: '/dst' })),
    expected: { '/dst': '2' },
  },
  {
    name: 'a wildcard without a match makes nothing, not even the destination',
    source: { file: 'x' },
    actions: [{ selection: from('/nothing*'), destination: '/dst/' }],
    expected: { '/dst': 'nothing' },
  },
  {
    name: 'a wildcard that matches one file may rename it',
    source: { 'config.json': '{}' },
    actions: [{ selection: from('/conf*.json'), destination: '/etc/renamed.json' }],
    expected: { '/etc/renamed.json': '{}' },
  },
  {
    name: 'links in the destination are followed inside the root',
    base: { 'usr/bin': null, bin: '-> usr/bin', escape: '-> ../../../../target', chain: '-> escape' },
    source: { file: 'x' },
    actions: [
      { selection: FILE, destination: '/bin/' },
      { selection: FILE, destination: '/escape/landed' },
      { selection: FILE, destination: '/chain/too' },
    ],
    expected: { '/usr/bin/file': 'x', '/target/landed': 'x', '/target/too': 'x', '/bin': 'symlink' },
  },
  {
    name: 'a destination that is a link is written through',
    base: { real: 'old', link: '-> real', data: null, dirlink: '-> /data', dangling: '-> /nowhere/yet' },
    source: { file: 'x' },
    actions: ['/link', '/dirlink', '/dangling'].map((destination) => ({ selection: FILE, destination })),
    expected: { '/link': 'symlink', '/real': 'x', '/data/file': 'x', '/nowhere/yet': 'x', '/dangling': 'symlink' },
  },
  {
    name: 'links below the destination are replaced',
    base: { 'dst/file': 'old', 'dst/link': '-> /etc', 'dst/other': '-> /etc', etc: null },
    source: { 'dir/file': '-> new', 'dir/link': '-> new', 'dir/other': 'plain' },
    actions: [{ selection: DIR, destination: '/dst' }],
    expected: { '/dst/file': 'symlink', '/dst/link': 'symlink', '/dst/other': 'plain', '/etc/new': 'nothing' },
  },
  {
    name: 'a followed source keeps the name it was called by',
    source: { target: 'x', link: '-> target', into: null },
    actions: [{ selection: from('/link'), destination: '/dst/' }],
    expected: { '/dst/link': 'x' },
  },
  {
    name: '--parents keeps the path',
    source: { 'a/b/file': '1', 'x/y/z/1.txt': '2', 'x/y/z/no': '3' },
    actions: [
      { selection: from('/a/b/file'), destination: '/one/', parents: true },
      { selection: from('/x/./y/z/*.txt'), destination: '/two/', parents: true },
    ],
    expected: { '/one/a/b/file': '1', '/two/y/z/1.txt': '2', '/two/y/z/no': 'nothing' },
  },
  {
    name: 'dot-dot in a destination stops at the root',
    source: { file: 'x' },
    actions: [{ selection: FILE, destination: '/a/b/../../../../top' }],
    expected: { '/top': 'x' },
  },
];

for (const { name, base = {}, source, actions, expected } of RULES) {
  test(name, async () => {
    await using rig = await ExecutorRig.open();
    const made = await onto(rig, base, source, ...actions);
    const tree = await rig.tree(made);
    for (const [path, wanted] of Object.entries(expected)) {
      const entry = tree.lstat(path);
      assert.is(entry?.type === 'file' ? await rig.text(made, path) : (entry?.type ?? 'nothing'), wanted, path);
    }
  });
}

const CONFLICTS: readonly (readonly [name: string, base: Tree, source: Tree, message: RegExp])[] = [
  ['a directory over a file', { dst: 'file' }, { 'dir/a': 'a' }, /non-directory: "\/dst"/],
  ['an empty directory over a file', { dst: 'file' }, { dir: null }, /non-directory: "\/dst"/],
  ['a nested directory over a file', { 'dst/name': 'file' }, { 'dir/name/in': '' }, /non-directory: "\/dst\/name"/],
  ['a nested directory over a link', { real: null, 'dst/name': '-> /real' }, { 'dir/name/in': '' }, /"\/dst\/name"/],
  ['a nested file over a directory', { 'dst/name/in': '' }, { 'dir/name': 'file' }, /directory "\/dst\/name"/],
  ['a nested link over a directory', { 'dst/name/in': '' }, { 'dir/name': '-> x' }, /directory "\/dst\/name"/],
  ['a file as a parent', { dst: null, 'dst/x': 'f' }, { 'dir/x/y/z': '' }, /"\/dst\/x"/],
  ['a loop of links', { dst: '-> loop', loop: '-> dst' }, { 'dir/x': '' }, /links/],
];

for (const [name, base, source, message] of CONFLICTS) {
  test(`conflict: ${name}`, async () => {
    await using rig = await ExecutorRig.open();
    await rejectsWith('path-conflict', () => onto(rig, base, source, { selection: DIR, destination: '/dst' }), message);
  });
}

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

test('pipes and devices are copied as such', async () => {
  await using rig = await ExecutorRig.open();
  const source = (dir: string): void => {
    mkdirSync(join(dir, 'dir'));
    execFileSync('mkfifo', ['-m', '640', join(dir, 'dir/pipe')]);
    execFileSync('mknod', ['-m', '600', join(dir, 'dir/disk'), 'b', '8', '1']);
  };
  const tree = await rig.tree(await onto(rig, {}, source, { selection: DIR, destination: '/dst' }));
  assert.equal(listing(tree, '/dst'), ['block 600 0:0 /dst/disk', 'fifo 640 0:0 /dst/pipe']);
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

test('WORKDIR makes what is missing for its user and leaves what exists', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.layer((dir) => {
    fill(dir, { mine: null, data: null, link: '-> data' });
    chmodSync(join(dir, 'mine'), 0o700);
  });
  const owner = { user: '1000', group: '1000' };
  const mkdir = (path: string): FileAction => ({ kind: 'mkdir', path, mode: 0o755, owner });
  const made = await rig.files(root, mkdir('/mine/sub'), mkdir('/mine'), mkdir('/fresh/dir'), mkdir('/link/made'));
  assert.equal(listing(await rig.tree(made)), [
    'directory 755 0:0 /data',
    'directory 755 1000:1000 /data/made',
    'directory 755 1000:1000 /fresh',
    'directory 755 1000:1000 /fresh/dir',
    'symlink 0:0 /link -> data',
    'directory 700 0:0 /mine',
    'directory 755 1000:1000 /mine/sub',
  ]);
  const again = await rig.files(made, mkdir('/fresh/dir'));
  assert.is(again.result.kind === 'layers' && again.result.layers.length, 3);
});

test('WORKDIR on a file is a conflict', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.layer((dir) => fill(dir, { file: 'x' }));
  await rejectsWith('path-conflict', () => rig.files(root, { kind: 'mkdir', path: '/file', mode: 0o755 }));
});

test('a heredoc goes where a file of its name would go', async () => {
  await using rig = await ExecutorRig.open();
  const mkfile = (destination: string, rest: object = {}): FileAction => ({
    kind: 'mkfile',
    destination,
    name: 'EOF',
    content: 'text\n',
    mode: 0o644,
    ...rest,
  });
  const made = await rig.files(
    await rig.scratch(),
    mkfile('/dir/'),
    mkfile('/named', { owner: { user: '5' } }),
    mkfile('/run', { modeChange: { kind: 'symbolic', clauses: 'u+x' } }),
  );
  assert.equal(listing(await rig.tree(made)), [
    'directory 755 0:0 /dir',
    'file 644 0:0 /dir/EOF',
    'file 644 5:5 /named',
    'file 744 0:0 /run',
  ]);
  assert.is(await rig.text(made, '/named'), 'text\n');
});

test('from a context: ignored files stay out, links that lead out are copied as links', async () => {
  await using temp = await tempDir();
  fill(temp.path, { 'context/file': 'x', 'context/secret/key': 's', 'context/out': '-> ../outside', outside: 'o' });
  const ignore = parseDockerignore({ name: '.dockerignore', text: 'secret' });
  const tree = new LocalTree(join(temp.path, 'context'), { ignore });
  await using rig = await ExecutorRig.open({ locals: new Map([['context', tree]]) });
  const context = await rig.local('context');
  const made = await rig.copy(await rig.scratch(), context, { selection: from('/'), destination: '/all' });
  assert.equal(listing(await rig.tree(made), '/all'), ['file 644 0:0 /all/file', 'symlink 0:0 /all/out -> ../outside']);
  const copyOf = (source: string): Promise<Made> => rig.copy(made, context, { selection: from(source) });
  await rejectsWith(
    'source-not-found',
    () => copyOf('/secret/key'),
    /excluded from the build context by \.dockerignore/,
  );
  await rejectsWith('source-not-found', () => copyOf('/out'), /leads to "\/outside"/);
  await rejectsWith(
    'source-not-found',
    () => copyOf('../../etc/passwd'),
    /"\/etc\/passwd": not found in the build context/,
  );
});

test('nothing is left of a copy that fails', async () => {
  await using rig = await ExecutorRig.open();
  const before = await rig.snapshots.list();
  const action = { selection: DIR, destination: '/dst' };
  await rejectsWith('path-conflict', () => onto(rig, { 'dst/z': null }, { 'dir/a': 'a', 'dir/z': 'z' }, action));
  const after = await rig.snapshots.list();
  assert.is(after.length, before.length + 2, 'the two layers of the test itself');
  assert.equal(execFileSync('ls', [join(rig.root, 'snapshots/active')], { encoding: 'utf8' }), '');
});

test('two equal copies have one identity, a copy of other files another', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.scratch();
  const copyOf = async (text: string): Promise<string> =>
    (await onto(rig, root, { file: text }, { selection: FILE, destination: '/dst' })).identity;
  const [one, same, other] = [await copyOf('one'), await copyOf('one'), await copyOf('other')];
  assert.is(one, same);
  assert.is.not(one, other);
});

test('a layer of its own merges on top of any stack', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.layer((dir) => fill(dir, { 'dir/below': 'b', link: '-> dir' }));
  const top = await onto(rig, await rig.scratch(), { file: 'x' }, { selection: FILE, destination: '/dir/file' });
  const merged = await rig.make({ kind: 'merge' }, [base, top]);
  assert.equal(listing(await rig.tree(merged)), [
    'directory 755 0:0 /dir',
    'file 644 0:0 /dir/below',
    'file 644 0:0 /dir/file',
    'symlink 0:0 /link -> dir',
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

suiteOfCopies.run();
