import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { applyLayer } from '../../src/layer/apply.ts';
import { DEFAULT_TAR_LIMITS, readTar } from '../../src/layer/reader.ts';
import { decodeLatin1Path, fsPath } from '../../src/core/path-bytes.ts';
import { rejectsWith } from '../support/assert.ts';
import type { RawEntry } from './support.ts';
import {
  chunked,
  collect,
  isRoot,
  Lab,
  nativeFiles,
  pax,
  paxRecord,
  picture,
  rawEntry,
  tarOf,
  TRAILER,
} from './support.ts';

const files = nativeFiles();
const test = suite('archives read natively');

/** A tree with what archives are about: long names, owners, links, holes. */
function makeSource(lab: Lab): string {
  const dir = lab.makeDir('source');
  const deep = `${'deep'.repeat(40)}/${'name'.repeat(45)}`;
  fs.mkdirSync(`${dir}/${deep}`, { recursive: true });
  fs.writeFileSync(`${dir}/${deep}/long`, 'long');
  fs.symlinkSync('x'.repeat(180), `${dir}/symlink`);
  fs.linkSync(`${dir}/${deep}/long`, `${dir}/hard`);
  fs.writeFileSync(`${dir}/ünï`, 'text');
  fs.lchownSync(`${dir}/ünï`, 3_000_000, 2_500_000);
  fs.chmodSync(`${dir}/ünï`, 0o4755);
  execFileSync('mknod', [`${dir}/fifo`, 'p']);
  execFileSync('mknod', [`${dir}/device`, 'c', '5', '300']);
  fs.writeFileSync(`${dir}/empty-holes`, '');
  fs.truncateSync(`${dir}/empty-holes`, 100_000);
  const holes = fs.openSync(`${dir}/holes`, 'w');
  // More parts than the header of the old format has room for.
  for (let i = 0; i < 40; i++) fs.writeSync(holes, `part ${i}`, i << 13);
  fs.ftruncateSync(holes, 512 << 10);
  fs.closeSync(holes);
  for (const name of ['ünï', 'holes', 'empty-holes', 'hard']) fs.utimesSync(`${dir}/${name}`, 7, 1_700_000_000.5);
  for (const name of [deep, 'deep'.repeat(40)]) fs.utimesSync(`${dir}/${name}`, 7, 1_600_000_000.5);
  return dir;
}

/** Contents of files by digest, so that a difference can be read. */
function digested(dir: string): string[] {
  return picture(dir).map((line) => line.replace(/".{100,}"/s, (content) => digestOf(content)));
}

const GNU = ['tar', '--sort=name', '-cf'];
const WRITERS: readonly (readonly [string, readonly string[]])[] = [
  ['GNU tar, old format', [...GNU, 'OUT', '--format=gnu']],
  ['GNU tar, old format, sparse', [...GNU, 'OUT', '--format=gnu', '--sparse']],
  ['GNU tar, PAX', [...GNU, 'OUT', '--format=pax', '--xattrs']],
  ['GNU tar, PAX with a global header', [...GNU, 'OUT', '--format=pax', '--pax-option=globexthdr.name=g,gname=x']],
  ['GNU tar, sparse 0.0', [...GNU, 'OUT', '--format=pax', '--sparse', '--sparse-version=0.0']],
  ['GNU tar, sparse 0.1', [...GNU, 'OUT', '--format=pax', '--sparse', '--sparse-version=0.1']],
  ['GNU tar, sparse 1.0', [...GNU, 'OUT', '--format=pax', '--sparse', '--sparse-version=1.0']],
  ['bsdtar, PAX', ['bsdtar', '--format', 'pax', '-cf', 'OUT']],
  ['bsdtar, GNU', ['bsdtar', '--format', 'gnutar', '-cf', 'OUT']],
];

const number = fc.constantFrom(0, 1, 0o7777777, 2 ** 31);
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const patch: fc.Arbitrary<readonly (readonly [number, Buffer])[]> = fc.constantFrom(
  [],
  [],
  [[124, bytes('\x80\0\0\0\0\0\0\0\0\0\0\x05')]],
  [[136, bytes('\xff'.repeat(11) + '\xfe')]],
  [[116, bytes(' 17 \0\0\0\0')]],
  [[116, bytes('18\0\0\0\0\0\0')]],
  [[108, bytes('\x80\0\0\0\xff\xff\xff\xff')]],
);
const rawFile: fc.Arbitrary<RawEntry> = fc.record({
  name: fc.constantFrom('a', 'b', 'c/d', './e', 'f/', 'g\xff'),
  type: fc.constantFrom('0', '0', '\0', '5', '2', '6', '7', 'Z', 'V'),
  link: fc.constantFrom('a', '', 'x'),
  content: fc.constantFrom('', 'hello', 'y'.repeat(600)),
  uid: number,
  mtime: fc.constantFrom(0, 5, 1_700_000_000),
  mode: fc.constantFrom(0o644, 0o7755),
  magic: fc.constantFrom('ustar\x0000', 'ustar  \0', '\0'),
  prefix: fc.constantFrom('', '', 'pre'),
  patch,
});
const record = fc.constantFrom<readonly [string, string]>(
  ['path', 'p/q'],
  ['path', ''],
  ['path', 'ü'],
  ['size', '5'],
  ['size', 'x'],
  ['uid', '4294967294'],
  ['uid', '4294967295'],
  ['gid', '7'],
  ['mtime', '-1.25'],
  ['mtime', '3.1234567899'],
  ['mtime', '1e3'],
  ['GNU.sparse.size', '100'],
  ['GNU.sparse.map', '1,2,50,3'],
  ['GNU.sparse.offset', '3'],
  ['GNU.sparse.numbytes', '2'],
  ['GNU.sparse.name', 'sparse'],
  ['comment', 'none'],
);
const block: fc.Arbitrary<RawEntry> = fc.oneof(
  { weight: 4, arbitrary: rawFile },
  { weight: 2, arbitrary: fc.array(record, { maxLength: 4 }).map((records) => pax(...records)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<RawEntry>(
      { name: 'g', type: 'g', content: paxRecord('gid', '9') },
      { name: 'L', type: 'L', content: 'long/name\0' },
      { name: 'K', type: 'K', content: 'long/link\0' },
      { name: 'x', type: 'x', content: '9 path=a' },
      { name: 'x', type: 'x', content: '11 path=abc' },
    ),
  },
);

/** Short ones often, for each entry more makes it likelier that the archive is refused. */
const blocks = fc.oneof(
  fc.array(block, { minLength: 1, maxLength: 1 }),
  fc.array(block, { minLength: 1, maxLength: 2 }),
  fc.array(block, { minLength: 1, maxLength: 5 }),
);

/** What the TypeScript reader makes of an archive: the last entry of each path, or the code of the failure. */
async function readWith(archive: Buffer): Promise<string[] | string> {
  const found = new Map<string, string>();
  try {
    for await (const entry of readTar(chunked(archive, 333), DEFAULT_TAR_LIMITS)) {
      const path = entry.path
        .split('/')
        .filter((part) => part !== '' && part !== '.')
        .join('/');
      const text = (await collect(entry.content)).toString('latin1');
      if (entry.type === 'symlink' && entry.linkPath === '') throw new BuildError('invalid-archive', 'no target');
      const what =
        entry.type === 'file' ? ` ${JSON.stringify(text)}` : entry.type === 'symlink' ? ` -> ${entry.linkPath}` : '';
      const mode = entry.type === 'symlink' ? '' : entry.mode.toString(8);
      found.set(path, `${entry.type} ${mode} ${entry.uid}:${entry.gid} @${entry.mtimeNs} ${path}${what}`);
    }
  } catch (error) {
    assert.instance(error, BuildError);
    return (error as BuildError).code;
  }
  return [...found.values()].sort();
}

async function unpackWith(archive: Buffer): Promise<string[] | string> {
  using lab = new Lab();
  const upper = lab.makeDir('upper');
  try {
    const { impliedParents } = await applyLayer(files, chunked(archive, 333), upper);
    return describe(upper, '', new Set(impliedParents)).sort();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return error.code;
  }
}

function describe(dir: string, below: string, left: ReadonlySet<string>): string[] {
  return fs.readdirSync(dir, 'latin1').flatMap((raw) => {
    const path = `${below}${decodeLatin1Path(raw)}`;
    const at = fsPath(`${dir}/${decodeLatin1Path(raw)}`);
    const stats = fs.lstatSync(at, { bigint: true });
    const deeper = stats.isDirectory() ? describe(String(at), `${path}/`, left) : [];
    if (left.has(`/${path}`)) return deeper;
    const owner = `${stats.uid}:${stats.gid} @${stats.mtimeNs} ${path}`;
    const mode = (Number(stats.mode) & 0o7777).toString(8);
    if (stats.isSymbolicLink()) return [`symlink  ${owner} -> ${fs.readlinkSync(at)}`];
    if (stats.isFile()) return [`file ${mode} ${owner} ${JSON.stringify(fs.readFileSync(at, 'latin1'))}`];
    return [`${stats.isDirectory() ? 'directory' : 'fifo'} ${mode} ${owner}`, ...deeper];
  });
}

if (!isRoot('reading archives natively')) {
  test('root is needed', () => assert.ok(true));
} else {
  for (const [what, [program = '', ...args]] of WRITERS) {
    test(`unpacks what ${what} writes as GNU tar does`, async () => {
      using lab = new Lab();
      const source = makeSource(lab);
      const archive = lab.path('archive.tar');
      execFileSync(program, [...args.map((arg) => (arg === 'OUT' ? archive : arg)), '.'], {
        cwd: source,
        stdio: 'ignore',
      });
      const [expected, upper, streamed] = [lab.makeDir('expected'), lab.makeDir('upper'), lab.makeDir('streamed')];
      execFileSync('tar', ['-C', expected, '--same-owner', '--delay-directory-restore', '-xpf', archive], {
        stdio: 'ignore',
      });
      const fromFile = await applyLayer(files, { file: archive }, upper);
      assert.equal(digested(upper), digested(expected));
      assert.equal(await applyLayer(files, chunked(fs.readFileSync(archive), 10_000), streamed), fromFile);
      assert.equal(digested(streamed), digested(expected));
      if (what.includes('sparse')) assert.ok(fs.statSync(`${upper}/holes`).blocks < 1024);
    });
  }

  test('reads random archives as the TypeScript reader does', async () => {
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(blocks, async (entries) => {
        const archive = Buffer.concat([...entries.map(rawEntry), TRAILER]);
        const expected = await readWith(archive);
        const paths =
          typeof expected === 'string'
            ? []
            : expected.map((line) => / @-?\d+ (.*?)(?: "| -> |$)/s.exec(line)?.[1] ?? '');
        // Entries inside of each other, and a root that is no directory, are for other tests.
        fc.pre(paths.every((path) => path !== '' && !paths.some((other) => other.startsWith(`${path}/`))));
        if (typeof expected !== 'string') whole++;
        assert.equal(await unpackWith(archive), expected);
      }),
      { numRuns: 120 },
    );
    assert.ok(whole > 10);
  });

  test('the limits of an archive hold', async () => {
    using lab = new Lab();
    const entries: RawEntry[] = [{ name: 'a' }, { name: 'b' }];
    const apply = (limits: Partial<typeof DEFAULT_TAR_LIMITS>, ...more: RawEntry[]) =>
      applyLayer(files, chunked(tarOf(...entries, ...more)), fs.mkdtempSync(lab.path('u-')), {
        limits: { ...DEFAULT_TAR_LIMITS, ...limits },
      });
    await apply({ maxEntries: 2 });
    await rejectsWith('limit-exceeded', () => apply({ maxEntries: 1 }), /more than 1 entries/);
    await rejectsWith('limit-exceeded', () => apply({ maxPathBytes: 3 }, { name: 'long' }), /more than 3 bytes: "long/);
    await rejectsWith('limit-exceeded', () => apply({ maxHeaderBytes: 5 }, pax(['path', 'x'])), /more than 5 bytes/);
    await rejectsWith('limit-exceeded', () =>
      apply({}, ...Array<RawEntry>(17).fill(pax(['path', 'x'])), { name: 'c' }),
    );
  });

  test('what follows the archive is digested, too', async () => {
    using lab = new Lab();
    const archive = Buffer.concat([tarOf({ name: 'a' }), Buffer.alloc(700_000, 'x')]);
    const { sizeBytes } = await applyLayer(files, chunked(archive, 65_536), lab.makeDir('u'));
    assert.is(sizeBytes, archive.length);
  });

  test('large files take little memory, whether they are stored or sparse', async () => {
    using lab = new Lab();
    const big = fs.openSync(lab.path('big'), 'w');
    fs.writeSync(big, 'end', 2 ** 31);
    fs.closeSync(big);
    execFileSync('tar', ['-C', lab.dir, '--sparse', '-cf', lab.path('big.tar'), 'big']);
    const upper = lab.makeDir('u');
    await applyLayer(files, { file: lab.path('big.tar') }, upper);
    assert.is(fs.statSync(`${upper}/big`).size, 2 ** 31 + 3);
    assert.ok(fs.statSync(`${upper}/big`).blocks < 1000);
    await files.digestLayer(upper);
    for (const pid of workers()) assert.ok(peakMiB(pid) < 16, `${peakMiB(pid)} MiB`);
    const before = process.memoryUsage().rss;
    await files.digestLayer(upper);
    assert.ok(process.memoryUsage().rss - before < 16 << 20);
  });

  test('an abort in the middle leaves no process', async () => {
    using lab = new Lab();
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield rawEntry({ name: 'a', size: 2 ** 32 }).subarray(0, 512);
      for (let sent = 0; ; sent++) {
        if (sent === 20) abort.abort();
        yield Buffer.alloc(1 << 18);
      }
    }
    const before = new Set(workers());
    await rejectsWith('cancelled', () => applyLayer(files, endless(), lab.makeDir('u'), { signal: abort.signal }));
    const left = workers();
    assert.ok(left.every((pid) => before.has(pid)));
    assert.ok(left.length < Math.max(1, before.size));
  });
}

/** Processes of this one's native workers. */
function workers(): number[] {
  const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').trim().split(' ');
  return children.filter((pid) => pid !== '' && commandOf(pid).includes('tsbuild-runtime')).map(Number);
}

function commandOf(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

function peakMiB(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
}

test.run();
