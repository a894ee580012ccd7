/** What the native writer makes of each request, and that it stays inside its root. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, picture } from '../layer/support.ts';
import { rejectsWith } from '../support/assert.ts';
import { privileged } from '../support/privileged.ts';
import { bytes, DIR, FILE, files, KEEP, REPLACE, UPDATE, write } from './writing.ts';

const suiteOfWrites = suite('tree writer');
const test = privileged(suiteOfWrites);

test('writes every type of entry with its metadata', async () => {
  using lab = new Lab();
  await write(lab.dir, async (writer) => {
    await writer.directory('/d', DIR, UPDATE);
    await writer.file('/d/f', { ...FILE, mode: 0o4755 }, bytes('hello'), UPDATE);
    await writer.symlink('/d/s', '../../out', FILE, UPDATE);
    await writer.link('/d/h', '/d/f', UPDATE);
    await writer.node('/d/c', 'character', { major: 1, minor: 3 }, { ...FILE, mode: 0o2666 }, UPDATE);
    await writer.node('/d/p', 'fifo', { major: 0, minor: 0 }, FILE, UPDATE);
  });
  assert.equal(picture(lab.dir), [
    'd750 7:8 @1400000000 d',
    'c2666 5:6 @1500000000 d/c 259',
    '-4755 5:6 @1500000000 d/f "hello" = first',
    '-4755 5:6 @1500000000 d/h "hello" = d/f',
    'p640 5:6 @1500000000 d/p',
    'l777 5:6 @1500000000 d/s -> ../../out',
  ]);
  assert.is(fs.lstatSync(lab.path('d/f'), { bigint: true }).mtimeNs, FILE.mtimeNs);
  assert.is(fs.lstatSync(lab.path('d'), { bigint: true }).mtimeNs, DIR.mtimeNs);
});

test('missing parents belong to root and are 0755, also below a directory with the setgid bit', async () => {
  using lab = new Lab();
  await write(lab.dir, async (writer) => {
    await writer.directory('/g', { mode: 0o2775, uid: 1, gid: 9 }, UPDATE);
    await writer.file('/g/a/b/f', { mode: 0o600, uid: 0, gid: 0 }, bytes(''), UPDATE);
    await writer.symlink('/g/l', 'x', { mode: 0o777, uid: 0, gid: 0 }, UPDATE);
  });
  assert.equal(picture(lab.dir, { times: false }), [
    'd2775 1:9 g',
    'd755 0:0 g/a',
    'd755 0:0 g/a/b',
    '-600 0:0 g/a/b/f ""',
    'l777 0:0 g/l -> x',
  ]);
});

test('contents come from the host, from memory and as a stream', async () => {
  using lab = new Lab();
  const big = Buffer.alloc(3_000_001, 'abcdefg');
  fs.writeFileSync(lab.path('source'), big);
  const out = lab.makeDir('out');
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < big.length; at += 99_999) yield big.subarray(at, at + 99_999);
  }
  await write(out, async (writer) => {
    // Not awaited one by one: the order of the calls must hold all the same.
    await Promise.all([
      writer.file('/host', FILE, { kind: 'host', path: lab.path('source') }, UPDATE),
      writer.file('/stream', FILE, { kind: 'stream', sizeBytes: big.length, chunks: stream() }, UPDATE),
      writer.file('/bytes', FILE, { kind: 'bytes', data: big }, UPDATE),
      writer.link('/again', '/bytes', UPDATE),
    ]);
  });
  for (const name of ['host', 'stream', 'bytes', 'again'])
    assert.ok(fs.readFileSync(join(out, name)).equals(big), name);
});

test('a stream of another size than promised fails', async () => {
  using lab = new Lab();
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('abc');
  }
  for (const sizeBytes of [2, 4]) {
    await using writer = files.openWriter({ kind: 'directory', path: lab.dir });
    const content = { kind: 'stream', sizeBytes, chunks: stream() } as const;
    await writer.file('/f', FILE, content, UPDATE).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /"\/f"/),
    );
  }
});

test('the source of a file must be a regular file', async () => {
  using lab = new Lab();
  fs.symlinkSync('/etc/passwd', lab.path('link'));
  execFileSync('mkfifo', [lab.path('fifo')]);
  const out = lab.makeDir('out');
  for (const name of ['link', 'fifo', 'missing', 'out']) {
    await rejectsWith(name === 'missing' ? 'source-changed' : 'source-not-found', () =>
      write(out, (writer) => writer.file('/f', FILE, { kind: 'host', path: lab.path(name) }, UPDATE)),
    );
  }
});

test('existing directories are kept or updated, other conflicts need "replace"', async () => {
  using lab = new Lab();
  await write(lab.dir, async (writer) => {
    await writer.directory('/kept', DIR, KEEP);
    await writer.directory('/kept', { ...DIR, mode: 0o700 }, KEEP);
    await writer.directory('/updated', DIR, UPDATE);
    await writer.directory('/updated', { ...DIR, mode: 0o700 }, UPDATE);
    await writer.file('/kept/f', FILE, bytes('1'), KEEP);
    await writer.file('/kept/f', FILE, bytes('2'), KEEP);
  });
  assert.equal(picture(lab.dir, { times: false }), ['d750 7:8 kept', '-640 5:6 kept/f "2"', 'd700 7:8 updated']);
  await rejectsWith('path-conflict', () => write(lab.dir, (writer) => writer.file('/kept', FILE, bytes(''), UPDATE)));
  await rejectsWith('path-conflict', () => write(lab.dir, (writer) => writer.directory('/kept/f', DIR, UPDATE)));
  await rejectsWith('path-conflict', () =>
    write(lab.dir, (writer) => writer.file('/kept/f/x', FILE, bytes(''), UPDATE)),
  );
  await write(lab.dir, async (writer) => {
    await writer.file('/kept', FILE, bytes('now a file'), REPLACE);
    await writer.directory('/kept', DIR, REPLACE);
    await writer.file('/kept/new', FILE, bytes(''), REPLACE);
  });
  assert.equal(picture(lab.dir, { times: false }), ['d750 7:8 kept', '-640 5:6 kept/new ""', 'd700 7:8 updated']);
});

test('a directory that is replaced takes its time with it', async () => {
  using lab = new Lab();
  await write(lab.dir, async (writer) => {
    await writer.directory('/a/b', DIR, REPLACE);
    await writer.remove('/a');
    await writer.directory('/a/b', { mode: 0o755, uid: 0, gid: 0 }, REPLACE);
  });
  assert.ok(fs.lstatSync(lab.path('a/b'), { bigint: true }).mtimeNs > DIR.mtimeNs!);
});

test('links in parents are followed inside the root only', async () => {
  using lab = new Lab();
  const root = lab.makeDir('root');
  fs.mkdirSync(join(root, 'real'));
  await write(root, async (writer) => {
    await writer.symlink('/abs', '/real', FILE, UPDATE);
    await writer.symlink('/up', '../../../../real', FILE, UPDATE);
    await writer.symlink('/dangling', '/made/deep', FILE, UPDATE);
    await writer.file('/abs/1', FILE, bytes('1'), UPDATE);
    await writer.file('/up/2', FILE, bytes('2'), UPDATE);
    await writer.file('/dangling/3', FILE, bytes('3'), UPDATE);
    await writer.symlink('/loop', 'loop', FILE, UPDATE);
  });
  assert.equal(fs.readdirSync(join(root, 'real')), ['1', '2']);
  assert.equal(fs.readdirSync(join(root, 'made/deep')), ['3']);
  await rejectsWith('path-conflict', () => write(root, (writer) => writer.file('/loop/f', FILE, bytes(''), UPDATE)));
  assert.equal(fs.readdirSync(lab.dir), ['root']);
});

test('a parent that changes while it is in use is found anew', async () => {
  using lab = new Lab();
  await write(lab.dir, async (writer) => {
    await writer.file('/a/1', FILE, bytes(''), UPDATE);
    await writer.remove('/a');
    await writer.symlink('/a', 'b', FILE, UPDATE);
    await writer.file('/a/2', FILE, bytes(''), UPDATE);
    await writer.symlink('/x', '.', FILE, UPDATE);
    await writer.file('/x/x', FILE, bytes('a file now'), UPDATE);
  });
  assert.equal(fs.readdirSync(lab.path('b')), ['2']);
  assert.is(fs.readFileSync(lab.path('x'), 'utf8'), 'a file now');
});

test('"through" writes to what a link points to, and only then', async () => {
  using lab = new Lab();
  const root = lab.makeDir('root');
  await write(root, async (writer) => {
    await writer.file('/target', FILE, bytes('old'), UPDATE);
    await writer.symlink('/one', 'two', FILE, UPDATE);
    await writer.symlink('/two', '../../target', FILE, UPDATE);
    await writer.file('/one', FILE, bytes('new'), { existing: 'update', through: true });
    await writer.symlink('/dangling', 'sub/made', FILE, UPDATE);
    await writer.file('/dangling', FILE, bytes('made'), { existing: 'update', through: true });
    await writer.file('/two', FILE, bytes('replaced'), UPDATE);
  });
  const read = (name: string): string => fs.readFileSync(join(root, name), 'utf8');
  assert.equal([read('target'), read('sub/made'), read('two')], ['new', 'made', 'replaced']);
  assert.ok(fs.lstatSync(join(root, 'two')).isFile());
  for (const target of ['..', '/', '.', '../..', 'sub/..']) {
    fs.rmSync(join(root, 'up'), { force: true });
    fs.symlinkSync(target, join(root, 'up'));
    await rejectsWith('path-conflict', () =>
      write(root, (writer) => writer.file('/up', FILE, bytes(''), { existing: 'replace', through: true })),
    );
  }
  assert.equal(fs.readdirSync(lab.dir), ['root']);
});

test('hard links need a target, which is never reached through a link in its last part', async () => {
  using lab = new Lab();
  const root = lab.makeDir('root');
  fs.writeFileSync(lab.path('outside'), 'secret');
  fs.symlinkSync(lab.path('outside'), join(root, 'link'));
  await write(root, (writer) => writer.link('/hard', '/link', UPDATE));
  assert.ok(fs.lstatSync(join(root, 'hard')).isSymbolicLink());
  assert.is(fs.statSync(lab.path('outside')).nlink, 1);
  await rejectsWith('invalid-archive', () => write(root, (writer) => writer.link('/h', '/none', UPDATE)));
  await rejectsWith('invalid-archive', () => write(root, (writer) => writer.link('/h', '/none/f', UPDATE)));
  await rejectsWith('invalid-archive', () => write(root, (writer) => writer.link('/h', '/../outside', UPDATE)));
  fs.mkdirSync(join(root, 'dir'));
  await rejectsWith('invalid-archive', () => write(root, (writer) => writer.link('/h', '/dir', UPDATE)));
  await write(root, (writer) => writer.link('/link', '/link', UPDATE));
  assert.ok(fs.lstatSync(join(root, 'link')).isSymbolicLink());
});

test('remove() takes whole trees, and not what links in them point to', async () => {
  using lab = new Lab();
  const root = lab.makeDir('root');
  fs.writeFileSync(lab.path('precious'), '');
  fs.mkdirSync(join(root, 'a/b'), { recursive: true });
  fs.symlinkSync('../../..', join(root, 'a/b/out'));
  await write(root, async (writer) => {
    await writer.remove('/a');
    await writer.remove('/a');
    await writer.remove('/no/such/parent');
  });
  assert.equal(fs.readdirSync(root), []);
  assert.equal(fs.readdirSync(lab.dir).sort(), ['precious', 'root']);
  await rejectsWith('path-conflict', () => write(root, (writer) => writer.remove('/')));
});

suiteOfWrites.run();
