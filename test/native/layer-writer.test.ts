/** What a layer needs of the native writer and scanner: whiteouts, attributes, raw names, and stacks to write on. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, picture } from '../layer/support.ts';
import { rejectsWith } from '../support/assert.ts';
import { privileged } from '../support/privileged.ts';
import { bytes, DIR, FILE, files, UPDATE, write } from './writing.ts';

const suiteOfLayers = suite('layer writer');
const test = privileged(suiteOfLayers);

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

suiteOfLayers.run();
