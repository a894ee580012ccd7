import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { AppliedLayer, ApplyOptions } from '../../src/layer/apply.ts';
import { applyLayer } from '../../src/layer/apply.ts';
import { rejectsWith } from '../support/assert.ts';
import type { RawEntry } from './support.ts';
import { chunked, isRoot, Lab, nativeFiles, pax, picture, tarOf } from './support.ts';

const files = nativeFiles();

const test = suite('applyLayer()');

interface Applied extends AppliedLayer {
  readonly lines: string[];
  readonly opaqueDirs: readonly string[];
}

async function apply(lab: Lab, entries: readonly RawEntry[], options: ApplyOptions = {}): Promise<Applied> {
  const upper = fs.mkdtempSync(lab.path('upper-'));
  fs.chmodSync(upper, 0o755);
  const result = await applyLayer(files, chunked(tarOf(...entries), 700), upper, options);
  const { opaqueDirs } = await files.scanLayer(upper);
  return { ...result, lines: picture(upper), opaqueDirs };
}

/** Directories made by `apply`, lowest first. */
async function below(lab: Lab, ...layers: (readonly RawEntry[])[]): Promise<string[]> {
  const made: string[] = [];
  for (const entries of layers) {
    const dir = fs.mkdtempSync(lab.path('lower-'));
    await applyLayer(files, chunked(tarOf(...entries)), dir);
    made.push(dir);
  }
  return made;
}

const file = (name: string, content = ''): RawEntry => ({ name, content, mtime: 1 });
const dir = (name: string, mode = 0o755): RawEntry => ({ name, type: '5', mode, mtime: 2 });
const soft = (name: string, link: string): RawEntry => ({ name, type: '2', link, mode: 0o777, mtime: 3 });
const hard = (name: string, link: string): RawEntry => ({ name, type: '1', link });

if (!isRoot('unpacking layers')) {
  test('root is needed to unpack layers', () => assert.ok(true));
} else {
  test('unpacks every type with its metadata, and digests what came', async () => {
    using lab = new Lab();
    const entries: RawEntry[] = [
      { name: './', type: '5', mode: 0o711, mtime: 9 },
      { name: 'd/', type: '5', mode: 0o1777, uid: 1, gid: 2, mtime: 5 },
      pax(['mtime', '7.25'], ['uid', '3000000']),
      { name: 'd/f', content: 'hello', mode: 0o4711 },
      hard('d/h', './d/f'),
      soft('s', '/abs'),
      { name: 'c', type: '3', major: 1, minor: 3, mode: 0o666 },
      { name: '/abs-file', content: 'x' },
    ];
    const bytes = tarOf(...entries);
    const upper = lab.makeDir('u');
    const result = await applyLayer(files, chunked(bytes, 100), upper);
    assert.is(result.diffID, `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    assert.is(result.sizeBytes, bytes.length);
    assert.equal(result.impliedParents, []);
    assert.equal(picture(upper), [
      '-644 0:0 @0 abs-file "x"',
      'c666 0:0 @0 c 259',
      'd1777 1:2 @5 d',
      '-4711 3000000:0 @7 d/f "hello" = first',
      '-4711 3000000:0 @7 d/h "hello" = d/f',
      'l777 0:0 @3 s -> /abs',
    ]);
    assert.is(fs.lstatSync(join(upper, 'd/f'), { bigint: true }).mtimeNs, 7_250_000_000n);
    assert.is(fs.statSync(upper).mode & 0o7777, 0o711);
    assert.is(fs.statSync(upper).mtimeMs, 9000);
  });

  test('content larger than a chunk is streamed', async () => {
    using lab = new Lab();
    const { lines } = await apply(lab, [file('big', 'x'.repeat(100_000)), file('small', 'y')]);
    assert.equal(lines, [`-644 0:0 @1 big "${'x'.repeat(100_000)}"`, '-644 0:0 @1 small "y"']);
  });

  test('whiteouts become devices and opaque markers attributes', async () => {
    using lab = new Lab();
    const { lines, opaqueDirs } = await apply(lab, [
      dir('d/'),
      file('d/.wh..wh..opq'),
      file('d/x'),
      file('.wh.gone'),
      file('e/.wh.deep'),
    ]);
    // A whiteout has no time of its own.
    assert.equal(
      lines.map((line) => line.replace(/^c0 0:0 @\d+/, 'c0')),
      ['d755 0:0 @2 d', '-644 0:0 @1 d/x ""', 'd755 0:0 @0 e', 'c0 e/deep 0', 'c0 gone 0'],
    );
    assert.equal(opaqueDirs, ['/d']);
  });

  test('a whiteout hides what is below the layer, never what is in it', async () => {
    using lab = new Lab();
    for (const order of [0, 1]) {
      const entries = [
        [file('.wh.f'), file('f', 'stays')],
        [file('.wh.d'), dir('d/'), file('d/x', 'stays')],
      ].flatMap((list) => (order === 0 ? list : list.reverse()));
      const { lines, opaqueDirs } = await apply(
        lab,
        order === 0 ? entries : [dir('d/'), ...entries.filter(({ name }) => name !== 'd/')],
      );
      assert.equal(lines, ['d755 0:0 @2 d', '-644 0:0 @1 d/x "stays"', '-644 0:0 @1 f "stays"']);
      // The new directory has nothing of the old one.
      assert.equal(opaqueDirs, ['/d']);
    }
  });

  test('an entry that repeats replaces the earlier one, whatever it was', async () => {
    using lab = new Lab();
    const { lines } = await apply(lab, [
      file('a', '1'),
      file('a', '2'),
      dir('b/'),
      file('b/x'),
      file('b/.wh.y'),
      file('b', 'file'),
      file('c', 'file'),
      dir('c/', 0o700),
      file('c/x'),
      dir('d/', 0o700),
      file('d/x'),
      dir('d/', 0o750),
      soft('e', 'd'),
      dir('e/'),
      file('e/x', 'own'),
    ]);
    assert.equal(lines, [
      '-644 0:0 @1 a "2"',
      '-644 0:0 @1 b "file"',
      'd700 0:0 @2 c',
      '-644 0:0 @1 c/x ""',
      'd750 0:0 @2 d',
      '-644 0:0 @1 d/x ""',
      'd755 0:0 @2 e',
      '-644 0:0 @1 e/x "own"',
    ]);
  });

  test('parents that are left out are as they are below, and are reported', async () => {
    using lab = new Lab();
    const lower = await below(lab, [
      dir('a/', 0o700),
      { name: 'a/b/', type: '5', mode: 0o1777, uid: 4, gid: 5, mtime: 8 },
    ]);
    const entries = [file('a/b/c/f'), dir('x/'), file('x/f')];
    const { lines, impliedParents } = await apply(lab, entries, { lower });
    assert.equal(lines, [
      'd700 0:0 @2 a',
      'd1777 4:5 @8 a/b',
      'd755 0:0 @0 a/b/c',
      '-644 0:0 @1 a/b/c/f ""',
      'd755 0:0 @2 x',
      '-644 0:0 @1 x/f ""',
    ]);
    assert.equal(impliedParents, ['/a', '/a/b', '/a/b/c']);
    assert.equal((await apply(lab, entries)).impliedParents, ['/a', '/a/b', '/a/b/c']);
    assert.equal((await apply(lab, [...entries, dir('a/b/c/'), dir('a/b/')], { lower })).impliedParents, ['/a']);
  });

  test('paths lead through links of lower layers, as far as the layer does not hide them', async () => {
    using lab = new Lab();
    const lower = await below(lab, [
      dir('usr/'),
      dir('usr/lib/', 0o711),
      soft('lib', 'usr/lib'),
      file('usr/lib/old', 'old'),
    ]);
    const through = await apply(lab, [file('lib/f'), file('lib/.wh.old')], { lower });
    assert.equal(through.lines.slice(0, 3), ['d755 0:0 @2 usr', 'd711 0:0 @2 usr/lib', '-644 0:0 @1 usr/lib/f ""']);
    assert.match(through.lines[3]!, /^c0 0:0 @\d+ usr\/lib\/old 0$/);
    assert.equal(through.impliedParents, ['/lib', '/usr', '/usr/lib']);
    assert.equal((await apply(lab, [dir('lib/'), file('lib/f')], { lower })).lines, [
      'd755 0:0 @2 lib',
      '-644 0:0 @1 lib/f ""',
    ]);
    assert.equal((await apply(lab, [file('.wh.lib'), file('lib/f')], { lower })).lines, [
      'd755 0:0 @0 lib',
      '-644 0:0 @1 lib/f ""',
    ]);
  });

  test('a hard link to a file below brings the file up', async () => {
    using lab = new Lab();
    const lower = await below(lab, [{ name: 'f', content: 'low', mode: 0o600, uid: 3, gid: 4, mtime: 6 }]);
    const { lines, impliedParents } = await apply(lab, [hard('h', 'f')], { lower });
    assert.equal(lines, ['-600 3:4 @6 f "low" = first', '-600 3:4 @6 h "low" = f']);
    assert.equal(impliedParents, ['/f']);
    await rejectsWith('invalid-archive', () => apply(lab, [hard('h', 'f')]));
    await rejectsWith('invalid-archive', () => apply(lab, [file('.wh.f'), hard('h', 'f')], { lower }));
  });

  test("attributes are kept, but for overlay's own", async () => {
    using lab = new Lab();
    const { opaqueDirs } = await apply(lab, [
      pax(['SCHILY.xattr.trusted.overlay.opaque', 'y'], ['SCHILY.xattr.user.overlay.opaque', 'y']),
      dir('d/'),
      pax(['SCHILY.xattr.user.note', 'n']),
      file('f'),
    ]);
    assert.equal(opaqueDirs, []);
  });

  test("AUFS's bookkeeping is passed over", async () => {
    using lab = new Lab();
    const { lines } = await apply(lab, [
      file('.wh..wh.aufs'),
      dir('.wh..wh.plnk/'),
      file('.wh..wh.plnk/12.34'),
      file('f'),
    ]);
    assert.equal(lines, ['-644 0:0 @1 f ""']);
  });

  const REFUSED: readonly (readonly [string, ErrorCode, readonly RawEntry[]])[] = [
    ['.. in a name', 'path-escape', [file('../f')]],
    ['.. inside a name', 'path-escape', [dir('a/'), file('a/../../f')]],
    ['.. in an absolute name', 'path-escape', [file('/../f')]],
    ['.. in the target of a hard link', 'path-escape', [hard('h', '../../etc/passwd')]],
    ['a hard link to a file of the host', 'invalid-archive', [hard('h', '/etc/passwd')]],
    ['a hard link through a link to the host', 'invalid-archive', [soft('e', '/etc'), hard('h', 'e/passwd')]],
    ['a hard link to a directory', 'invalid-archive', [dir('d/'), hard('h', 'd')]],
    ['a hard link to nothing', 'invalid-archive', [hard('h', '')]],
    ['a whiteout of nothing', 'path-escape', [file('a/.wh.')]],
    ['a whiteout of the parent', 'path-escape', [file('a/.wh...')]],
    ['a device that is a whiteout', 'invalid-archive', [{ name: 'c', type: '3' }]],
    ['a root that is a link', 'invalid-archive', [soft('./', 'x')]],
    ['a link loop in the parents', 'invalid-archive', [soft('a', 'b'), soft('b', 'a'), file('a/f')]],
    ['a symbolic link without a target', 'invalid-archive', [soft('a', '')]],
  ];

  for (const [what, code, entries] of REFUSED) {
    test(`refuses ${what}`, async () => {
      using lab = new Lab();
      fs.writeFileSync(lab.path('f'), 'outside');
      await rejectsWith(code, () => apply(lab, entries));
      assert.is(fs.readFileSync(lab.path('f'), 'utf8'), 'outside');
    });
  }

  test('a failing source is reported as it is, and no process is left', async () => {
    using lab = new Lab();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield tarOf(file('a', 'x'.repeat(5000))).subarray(0, 1000);
      throw new Error('the line is dead');
    }
    await applyLayer(files, source(), lab.makeDir('u')).then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, 'the line is dead'),
    );
  });

  test('an abort ends the unpacking', async () => {
    using lab = new Lab();
    const abort = new AbortController();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield tarOf(file('a')).subarray(0, 512);
      abort.abort();
      yield tarOf(file('b'));
    }
    await rejectsWith('cancelled', () => applyLayer(files, source(), lab.makeDir('u'), { signal: abort.signal }));
  });
}

test.run();
