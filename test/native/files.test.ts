import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Metadata, TreeWriter, WriteOptions } from '../../src/runtime-native/tree-types.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import { isRoot, Lab, nativeFiles, picture } from '../layer/support.ts';
import { rejectsWith } from '../support/assert.ts';

const files = nativeFiles();
const FILE: Metadata = { mode: 0o640, uid: 5, gid: 6, mtimeNs: 1_500_000_000_123_456_789n };
const DIR: Metadata = { mode: 0o750, uid: 7, gid: 8, mtimeNs: 1_400_000_000_000_000_001n };
const UPDATE: WriteOptions = { existing: 'update' };
const KEEP: WriteOptions = { existing: 'keep' };
const REPLACE: WriteOptions = { existing: 'replace' };
const bytes = (text: string) => ({ kind: 'bytes', data: Buffer.from(text) }) as const;

/** Runs `work` on a writer for the directory `dir` and closes it. */
async function write(dir: string, work: (writer: TreeWriter) => Promise<void>): Promise<void> {
  await using writer = files.openWriter({ kind: 'directory', path: dir });
  await work(writer);
  await writer.close();
}

const plain = suite('tree writer');

plain('a binary that is missing is reported', async () => {
  const missing = createNativeFiles({ binaryPath: '/nonexistent/tsbuild-runtime' });
  await using writer = missing.openWriter({ kind: 'directory', path: '/' });
  await rejectsWith('runtime-unavailable', () => writer.close());
  await rejectsWith('runtime-unavailable', () => missing.scanLayer('/'));
});

plain('a root that is missing is reported', async () => {
  using lab = new Lab();
  await using writer = files.openWriter({ kind: 'directory', path: lab.path('none') });
  await rejectsWith('runtime-failed', () => writer.flush(), /none/);
});

plain('an aborted signal ends the writer, and nothing works after it', async () => {
  using lab = new Lab();
  const abort = new AbortController();
  await using writer = files.openWriter({ kind: 'directory', path: lab.dir }, { signal: abort.signal });
  await writer.remove('/nothing');
  await writer.flush();
  abort.abort();
  await rejectsWith('cancelled', () => writer.flush());
  await rejectsWith('cancelled', () => writer.close());
  await using late = files.openWriter({ kind: 'directory', path: lab.dir }, { signal: abort.signal });
  await rejectsWith('cancelled', () => late.flush());
});

plain('leaving a writer unfinished ends its process', async () => {
  using lab = new Lab();
  {
    await using writer = files.openWriter({ kind: 'directory', path: lab.dir });
    await writer.remove('/nothing');
    await writer.flush();
  }
  const children = execFileSync('ps', ['-o', 'args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  assert.not.match(children, /tsbuild-runtime files directory/);
});

plain('scans share one process, which fails and comes back with its requests', async () => {
  using lab = new Lab();
  const dirs = ['a', 'b', 'c'].map((name) => lab.makeDir(name));
  fs.writeFileSync(lab.path('b/f'), '');
  const own = nativeFiles();
  const scans = await Promise.all([own.scanLayer(dirs[0]!), own.scanLayer(dirs[1]!), own.scanLayer(dirs[2]!)]);
  assert.equal(scans[0], scans[2]);
  assert.is.not(scans[0]?.fingerprint, scans[1]?.fingerprint);
  const mixed = await Promise.allSettled([own.scanLayer(lab.path('none')), own.scanLayer(dirs[1]!)]);
  assert.is(mixed[0]?.status, 'rejected');
  assert.equal(mixed[1], { status: 'fulfilled', value: scans[1] });
  const pids = execFileSync('pgrep', ['-P', String(process.pid), '-f', 'files scan'], { encoding: 'utf8' });
  for (const pid of pids.trim().split('\n')) process.kill(Number(pid), 'SIGSTOP');
  const waiting = own.scanLayer(dirs[0]!);
  for (const pid of pids.trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
  await rejectsWith('runtime-failed', () => waiting);
  assert.equal(await own.scanLayer(dirs[1]!), scans[1]);
});

plain('removeTree() removes closed directories and does not follow links', async () => {
  using lab = new Lab();
  fs.mkdirSync(lab.path('tree/closed/deep'), { recursive: true });
  fs.writeFileSync(lab.path('precious'), '');
  fs.symlinkSync(lab.dir, lab.path('tree/closed/link'));
  fs.chmodSync(lab.path('tree/closed'), 0);
  await files.removeTree(lab.path('tree'));
  await files.removeTree(lab.path('tree'));
  assert.equal(fs.readdirSync(lab.dir), ['precious']);
});

plain('a tree deeper than any path can be is removed, and refused as a layer', async () => {
  using lab = new Lab();
  // Deeper than PATH_MAX allows to name.
  const code =
    'import os,sys\nos.chdir(sys.argv[1])\nfor i in range(2500):\n  os.mkdir("d"); open("f","w").close(); os.chdir("d")';
  execFileSync('python3', ['-c', code, lab.makeDir('tree')]);
  await rejectsWith('unsupported-feature', () => files.scanLayer(lab.path('tree')), /too long/);
  await files.removeTree(lab.path('tree'));
  assert.equal(fs.readdirSync(lab.dir), []);
});

plain.run();

const test = suite('tree writer as root');

if (isRoot('writing trees with owners and devices')) {
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

  test('whiteouts, opaque directories and the scan agree', async () => {
    using lab = new Lab();
    await write(lab.dir, async (writer) => {
      await writer.directory('/was', DIR, UPDATE);
      await writer.whiteout('/was');
      await writer.whiteout('/in/side');
      await writer.opaque('/o/ü');
      await writer.opaque('/');
    });
    assert.equal(picture(lab.dir, { times: false }), [
      'd755 0:0 in',
      'c0 0:0 in/side 0',
      'd755 0:0 o',
      'd755 0:0 o/ü',
      'c0 0:0 was 0',
    ]);
    const scan = await files.scanLayer(lab.dir);
    assert.equal(scan.opaqueDirs, ['/', '/o/ü']);
    assert.equal(await files.scanLayer(lab.dir), scan);
    fs.writeFileSync(lab.path('more'), '');
    assert.is.not((await files.scanLayer(lab.dir)).fingerprint, scan.fingerprint);
  });

  test('a device 0:0 would be a whiteout and is refused', async () => {
    using lab = new Lab();
    await rejectsWith('invalid-archive', () =>
      write(lab.dir, (writer) => writer.node('/c', 'character', { major: 0, minor: 0 }, FILE, UPDATE)),
    );
  });

  test('extended attributes are set on files, directories and links', async () => {
    using lab = new Lab();
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    await write(lab.dir, async (writer) => {
      const xattrs = new Map<string, Uint8Array>([
        ['security.capability', capability],
        ['user.note', Buffer.from('x')],
      ]);
      await writer.file('/f', { ...FILE, xattrs }, bytes('content'), UPDATE);
      await writer.directory('/d', { ...DIR, xattrs: new Map([['user.note', Buffer.from('y')]]) }, UPDATE);
      await writer.symlink('/s', 'f', { ...FILE, xattrs: new Map([['user.note', Buffer.from('z')]]) }, UPDATE);
      await writer.symlink('/t', 'f', { ...FILE, xattrs: new Map([['trusted.note', Buffer.from('z')]]) }, UPDATE);
    });
    const code = `import os,sys
for n in ('f','d','s','t'):
  print({k: os.getxattr(sys.argv[1]+'/'+n,k,follow_symlinks=False).hex() for k in sorted(os.listxattr(sys.argv[1]+'/'+n,follow_symlinks=False))})`;
    const seen = execFileSync('python3', ['-c', code, lab.dir], { encoding: 'utf8' }).trim().split('\n');
    assert.equal(seen, [
      `{'security.capability': '${capability.toString('hex')}', 'user.note': '78'}`,
      `{'user.note': '79'}`,
      '{}',
      `{'trusted.note': '7a'}`,
    ]);
    const { xattrs: scanned } = await files.scanLayer(lab.dir);
    assert.equal([...scanned.keys()].sort(), ['/d', '/f']);
    assert.is.not(scanned.get('/d'), scanned.get('/f'));
  });

  test('a scan tells attributes apart by name and value, in whatever order they were set', async () => {
    using lab = new Lab();
    const [a, b] = [Buffer.from('a,b=\n'), Buffer.from([0, 255])];
    const sets: readonly (readonly (readonly [string, Uint8Array])[])[] = [
      [],
      [['user.a', a]],
      [['user.b', a]],
      [['user.a', b]],
      [
        ['user.a', a],
        ['user.b', b],
      ],
      [
        ['user.b', b],
        ['user.a', a],
      ],
    ];
    await write(lab.dir, async (writer) => {
      for (const [index, set] of sets.entries())
        await writer.file(`/${index}`, { ...FILE, xattrs: new Map(set) }, bytes('x'), UPDATE);
    });
    const { xattrs } = await files.scanLayer(lab.dir);
    assert.equal([...xattrs.keys()].sort(), ['/1', '/2', '/3', '/4', '/5']);
    assert.is(new Set(xattrs.values()).size, 4);
    assert.is(xattrs.get('/4'), xattrs.get('/5'));
  });

  test('names that are not UTF-8 arrive as they are', async () => {
    using lab = new Lab();
    await write(lab.dir, (writer) => writer.file('/a\udcff', FILE, bytes('x'), UPDATE));
    assert.equal(fs.readdirSync(lab.dir, 'buffer'), [Buffer.from([0x61, 0xff])]);
  });

  test('an overlay writer sees the stack, and its upper gets the difference', async () => {
    using lab = new Lab();
    const [low, high, upper, work] = ['low', 'high', 'upper', 'work'].map((name) => lab.makeDir(name));
    fs.mkdirSync(join(low!, 'd'));
    fs.writeFileSync(join(low!, 'd/old'), 'old');
    fs.writeFileSync(join(low!, 'gone'), '');
    fs.symlinkSync('d', join(high!, 'link'));
    const root = { kind: 'overlay', lower: [low!, high!], upper: upper!, work: work!, volatile: true } as const;
    // Twice: the mark that a volatile mount leaves must not be in the way.
    for (const name of ['1', '2']) {
      await using writer = files.openWriter(root);
      await writer.file(`/link/${name}`, FILE, bytes(name), UPDATE);
      await writer.remove('/gone');
      await writer.close();
    }
    assert.equal(
      picture(upper!, { times: false }).filter((line) => !line.startsWith('d')),
      ['-640 5:6 d/1 "1"', '-640 5:6 d/2 "2"', 'c0 0:0 gone 0'],
    );
    assert.equal(fs.readdirSync(join(low!, 'd')), ['old']);
    assert.not.match(fs.readFileSync('/proc/self/mounts', 'utf8'), new RegExp(lab.dir));
  });

  test('an overlay without layers below is just its upper', async () => {
    using lab = new Lab();
    const [upper, work] = [lab.makeDir('upper'), lab.makeDir('work')];
    await using writer = files.openWriter({ kind: 'overlay', lower: [], upper, work, volatile: true });
    await writer.file('/a/f', FILE, bytes('x'), UPDATE);
    await writer.remove('/a/f');
    await writer.close();
    assert.equal(picture(upper, { times: false }), ['d755 0:0 a']);
  });

  test('a stack of 300 layers can be mounted', async () => {
    using lab = new Lab();
    const lower = Array.from({ length: 300 }, (_, index) => lab.makeDir(`l/${'x'.repeat(100)}${index}`));
    fs.writeFileSync(join(lower[0]!, 'bottom'), 'x');
    const [upper, work] = [lab.makeDir('upper'), lab.makeDir('work')];
    await using writer = files.openWriter({ kind: 'overlay', lower, upper, work, volatile: true });
    await writer.link('/linked', '/bottom', UPDATE);
    await writer.close();
    assert.is(fs.readFileSync(join(upper, 'linked'), 'utf8'), 'x');
  });

  test.run();
}
