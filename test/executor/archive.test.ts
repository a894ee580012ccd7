import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CopyAction } from '../../src/solver/op.ts';
import { rejectsWith } from '../support/assert.ts';
import type { Made } from '../support/executor-rig.ts';
import { ExecutorRig, from, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import type { TarItem } from '../support/tars.ts';
import { tarOf } from '../support/tars.ts';

const suiteOfArchives = suite('add archives');
const test = privileged(suiteOfArchives);

/** ADD of the files that `fill` writes, all as `action` says. */
async function add(
  rig: ExecutorRig,
  fill: (dir: string) => void,
  action: Partial<CopyAction>,
  base?: Made,
): Promise<Made> {
  const root = base ?? (await rig.scratch());
  return rig.copy(root, await rig.layer(fill), {
    selection: from('/*'),
    destination: '/dst/',
    unpack: true,
    ...action,
  });
}

const write =
  (name: string, content: string | Buffer) =>
  (dir: string): void =>
    writeFileSync(join(dir, name), content);

const archive = (...items: readonly TarItem[]) => write('a.tar', tarOf(items));

/** Packs what `fill` writes with the host's tar. */
function packed(fill: (dir: string) => void, ...options: readonly string[]): (dir: string) => void {
  return (dir) => {
    const content = join(dir, '../../packed');
    mkdirSync(content);
    fill(content);
    execFileSync('tar', ['-C', content, '--numeric-owner', '-cf', join(dir, 'a.tar'), ...options, '.']);
  };
}

for (const [compression, options] of [
  ['none', []],
  ['gzip', ['--gzip']],
  ['bzip2', ['--bzip2']],
  ['xz', ['--xz']],
  ['zstd', ['--zstd']],
] as const) {
  test(`an archive is told by its content: ${compression}`, async () => {
    await using rig = await ExecutorRig.open();
    const fill = packed(
      (dir) => {
        mkdirSync(join(dir, 'sub'), { mode: 0o750 });
        writeFileSync(join(dir, 'sub/y'), 'y');
        symlinkSync('sub', join(dir, 'link'));
      },
      ...options,
    );
    const made = await add(rig, fill, { destination: '/dst/name' });
    assert.equal(listing(await rig.tree(made), '/dst'), [
      'directory 755 0:0 /dst/name',
      'symlink 0:0 /dst/name/link -> sub',
      'directory 750 0:0 /dst/name/sub',
      'file 644 0:0 /dst/name/sub/y',
    ]);
    assert.is(await rig.text(made, '/dst/name/sub/y'), 'y');
  });
}

test('owners, modes, special bits, links and times come from the archive', async () => {
  await using rig = await ExecutorRig.open();
  const fill = packed((dir) => {
    writeFileSync(join(dir, 'a'), 'a');
    chownSync(join(dir, 'a'), 12, 34);
    writeFileSync(join(dir, 'suid'), 's');
    chmodSync(join(dir, 'suid'), 0o4755);
    linkSync(join(dir, 'a'), join(dir, 'hard'));
    execFileSync('mkfifo', ['-m', '600', join(dir, 'pipe')]);
    utimesSync(join(dir, 'a'), 1_000_000_000, 1_000_000_000);
  });
  const tree = await rig.tree(await add(rig, fill, {}));
  assert.equal(listing(tree, '/dst'), [
    'file 644 12:34 /dst/a',
    'file 644 12:34 /dst/hard',
    'fifo 600 0:0 /dst/pipe',
    'file 4755 0:0 /dst/suid',
  ]);
  assert.is(tree.lstat('/dst/a')?.hardLinkId, tree.lstat('/dst/hard')?.hardLinkId);
  assert.ok(tree.lstat('/dst/a')?.hardLinkId);
  assert.is(tree.lstat('/dst/a')?.mtimeNs, 1_000_000_000_000_000_000n);
});

test('--chown is for all entries, --chmod for none', async () => {
  await using rig = await ExecutorRig.open();
  const fill = archive({ path: 'dir/' }, { path: 'dir/file', content: 'x', mode: 0o751 });
  const made = await add(rig, fill, { owner: { user: '5', group: '6' }, mode: { kind: 'octal', mode: 0o600 } });
  assert.equal(listing(await rig.tree(made)), [
    'directory 755 5:6 /dst',
    'directory 755 5:6 /dst/dir',
    'file 751 5:6 /dst/dir/file',
  ]);
});

test('what is no archive is copied', async () => {
  await using rig = await ExecutorRig.open();
  const fill = (dir: string): void => {
    writeFileSync(join(dir, 'text.gz'), gzipSync('hello'));
    writeFileSync(join(dir, 'empty.tar'), '');
    writeFileSync(join(dir, 'text.tar'), 'text');
    writeFileSync(join(dir, 'fake.zip'), 'PK\u0003\u0004');
    writeFileSync(join(dir, 'zeroes'), Buffer.alloc(2048));
    writeFileSync(join(dir, 'real.tar'), tarOf([{ path: 'unpacked', content: 'x' }]));
    mkdirSync(join(dir, 'sub'));
    writeFileSync(join(dir, 'sub/kept.tar'), tarOf([{ path: 'no', content: 'x' }]));
  };
  const made = await add(rig, fill, {});
  assert.equal((await rig.tree(made)).readdir('/dst'), [
    'empty.tar',
    'fake.zip',
    'kept.tar',
    'text.gz',
    'text.tar',
    'unpacked',
    'zeroes',
  ]);
  const plain = await add(rig, archive({ path: 'x', content: 'x' }), { unpack: false });
  assert.equal((await rig.tree(plain)).readdir('/dst'), ['a.tar']);
});

test('entries replace what is there, directories merge', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.layer((dir) => {
    mkdirSync(join(dir, 'dst/dir'), { recursive: true, mode: 0o700 });
    mkdirSync(join(dir, 'dst/full/of/things'), { recursive: true });
    writeFileSync(join(dir, 'dst/dir/kept'), 'kept');
    writeFileSync(join(dir, 'dst/file'), 'old');
    writeFileSync(join(dir, 'dst/becomes'), 'old');
    symlinkSync('/dst/file', join(dir, 'dst/link'));
  });
  const fill = archive(
    { path: './' },
    { path: 'file', content: 'new' },
    { path: 'link', content: 'replaced' },
    { path: 'dir/', mode: 0o751 },
    { path: 'dir/more', content: 'more' },
    { path: 'full', content: 'now a file' },
    { path: 'becomes/' },
    { path: 'becomes/a', content: 'a directory' },
  );
  const made = await add(rig, fill, {}, base);
  assert.equal(listing(await rig.tree(made), '/dst'), [
    'directory 755 0:0 /dst/becomes',
    'file 644 0:0 /dst/becomes/a',
    'directory 751 0:0 /dst/dir',
    'file 644 0:0 /dst/dir/kept',
    'file 644 0:0 /dst/dir/more',
    'file 644 0:0 /dst/file',
    'file 644 0:0 /dst/full',
    'file 644 0:0 /dst/link',
  ]);
  assert.is(await rig.text(made, '/dst/file'), 'new');
});

test('the destination and the way to entries may be links, which stay', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.layer((dir) => {
    mkdirSync(join(dir, 'usr/bin'), { recursive: true });
    symlinkSync('usr/bin', join(dir, 'bin'));
    symlinkSync('/usr', join(dir, 'data'));
  });
  const fill = archive({ path: 'bin/tool', content: 'x' });
  const root = await add(rig, fill, { destination: '/' }, base);
  assert.equal(listing(await rig.tree(root)), [
    'symlink 0:0 /bin -> usr/bin',
    'symlink 0:0 /data -> /usr',
    'directory 755 0:0 /usr',
    'directory 755 0:0 /usr/bin',
    'file 644 0:0 /usr/bin/tool',
  ]);
  const data = await add(rig, archive({ path: 'x', content: 'x' }), { destination: '/data' }, base);
  assert.ok((await rig.tree(data)).lstat('/usr/x'));
});

test('a directory entry replaces a link, as with tar', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.layer((dir) => {
    mkdirSync(join(dir, 'usr/bin'), { recursive: true });
    symlinkSync('usr/bin', join(dir, 'bin'));
  });
  const fill = archive({ path: 'bin/', mode: 0o711 }, { path: 'bin/tool', content: 'x' });
  assert.equal(listing(await rig.tree(await add(rig, fill, { destination: '/' }, base))), [
    'directory 711 0:0 /bin',
    'file 644 0:0 /bin/tool',
    'directory 755 0:0 /usr',
    'directory 755 0:0 /usr/bin',
  ]);
});

const ESCAPES: readonly (readonly [name: string, items: readonly TarItem[]])[] = [
  ['by name', [{ path: '../climb' }]],
  ['in the middle of a name', [{ path: 'x/../../climb' }]],
  ['through a link', [{ path: 'way', type: 'SymbolicLink', linkpath: '../target' }, { path: 'way/file' }]],
  ['by a hard link', [{ path: 'hard', type: 'Link', linkpath: '../target/passwd' }]],
  [
    'by a hard link through a link',
    [
      { path: 'way', type: 'SymbolicLink', linkpath: '..' },
      { path: 'hard', type: 'Link', linkpath: 'way/target/passwd' },
    ],
  ],
];

for (const [name, items] of ESCAPES) {
  test(`an archive cannot leave its destination: ${name}`, async () => {
    await using rig = await ExecutorRig.open();
    const base = await rig.layer((dir) => {
      mkdirSync(join(dir, 'target'));
      writeFileSync(join(dir, 'target/passwd'), 'x');
    });
    await rejectsWith('path-escape', () => add(rig, archive(...items), {}, base), /is outside of the destination/);
  });
}

test('absolute names and links begin at the destination', async () => {
  await using rig = await ExecutorRig.open();
  const items: readonly TarItem[] = [
    { path: '/absolute', content: 'x' },
    { path: 'way', type: 'SymbolicLink', linkpath: '/inside' },
    { path: 'way/file', content: 'x' },
  ];
  assert.equal(listing(await rig.tree(await add(rig, archive(...items), {}))), [
    'directory 755 0:0 /dst',
    'file 644 0:0 /dst/absolute',
    'directory 755 0:0 /dst/inside',
    'file 644 0:0 /dst/inside/file',
    'symlink 0:0 /dst/way -> /inside',
  ]);
});

test('a broken archive is an error that names it', async () => {
  await using rig = await ExecutorRig.open();
  const noise = Buffer.from(Array.from({ length: 60_000 }, (_, at) => (at * 7919) % 251));
  const whole = gzipSync(
    tarOf([
      { path: 'first', content: 'x' },
      { path: 'noise', content: noise },
    ]),
  );
  const cut = write('cut.tar.gz', whole.subarray(0, whole.length - 500));
  await rejectsWith('invalid-archive', () => add(rig, cut, {}), /"\/cut\.tar\.gz".*ends early/);
  const dangling = archive({ path: 'hard', type: 'Link', linkpath: 'nowhere' });
  await rejectsWith('invalid-archive', () => add(rig, dangling, {}), /hard link to "nowhere"/);
});

test('a large file streams through', async () => {
  await using rig = await ExecutorRig.open();
  const content = Buffer.alloc(3 << 20, 'large ');
  const made = await add(rig, archive({ path: 'big', content }, { path: 'after', content: 'x' }), {});
  const tree = await rig.tree(made);
  assert.is(tree.lstat('/dst/big')?.size, content.length);
  assert.is(await rig.text(made, '/dst/big'), content.toString());
  assert.is(await rig.text(made, '/dst/after'), 'x');
});

suiteOfArchives.run();
