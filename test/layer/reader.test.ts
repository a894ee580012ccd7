import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { encodePath } from '../../src/core/path-bytes.ts';
import type { TarEntry } from '../../src/layer/reader.ts';
import { DEFAULT_TAR_LIMITS, readTar } from '../../src/layer/reader.ts';
import { rejectsWith } from '../support/assert.ts';
import { chunked, collect, Lab, pax, paxRecord, rawEntry, tarOf, TRAILER } from './support.ts';
import type { RawEntry } from './support.ts';

const test = suite('readTar()');

interface Read extends TarEntry {
  readonly text: string;
}

async function read(bytes: Buffer, chunkSize?: number, limits = DEFAULT_TAR_LIMITS): Promise<Read[]> {
  const entries: Read[] = [];
  for await (const entry of readTar(chunked(bytes, chunkSize), limits)) {
    entries.push({ ...entry, text: (await collect(entry.content)).toString() });
  }
  return entries;
}

const one = async (...entries: RawEntry[]): Promise<Read> => {
  const [first, ...rest] = await read(tarOf(...entries));
  assert.is(rest.length, 0);
  return first!;
};

test('reads every type of ustar', async () => {
  const entries = await read(
    tarOf(
      { name: 'd/', type: '5', mode: 0o1777, uid: 1, gid: 2, mtime: 7 },
      { name: 'd/f', content: 'hello', mode: 0o4755 },
      { name: 'h', type: '1', link: 'd/f' },
      { name: 's', type: '2', link: '../x' },
      { name: 'c', type: '3', major: 1, minor: 3 },
      { name: 'b', type: '4', major: 8, minor: 1 },
      { name: 'p', type: '6' },
    ),
  );
  assert.equal(
    entries.map(({ path, type, mode, text, linkPath, device }) => [
      path,
      type,
      mode,
      text,
      linkPath,
      device.major,
      device.minor,
    ]),
    [
      ['d/', 'directory', 0o1777, '', '', 0, 0],
      ['d/f', 'file', 0o4755, 'hello', '', 0, 0],
      ['h', 'link', 0o644, '', 'd/f', 0, 0],
      ['s', 'symlink', 0o644, '', '../x', 0, 0],
      ['c', 'character', 0o644, '', '', 1, 3],
      ['b', 'block', 0o644, '', '', 8, 1],
      ['p', 'fifo', 0o644, '', '', 0, 0],
    ],
  );
  assert.equal([entries[0]?.uid, entries[0]?.gid, entries[0]?.mtimeNs], [1, 2, 7_000_000_000n]);
});

test('PAX records replace the fields of the header', async () => {
  const long = `${'d'.repeat(150)}/${'f'.repeat(120)}`;
  const entry = await one(
    pax(
      ['path', long],
      ['linkpath', 'ü'],
      ['uid', '4000000000'],
      ['gid', '3000000'],
      ['mtime', '1700000000.123456789123'],
      ['SCHILY.xattr.user.a', Buffer.from([0, 10, 255])],
      ['comment', 'anything = at all\n'],
    ),
    { name: 'short', type: '2', link: 'u' },
  );
  assert.equal(
    [entry.path, entry.linkPath, entry.uid, entry.gid, entry.mtimeNs],
    [long, 'ü', 4_000_000_000, 3_000_000, 1_700_000_000_123_456_789n],
  );
  assert.equal([...(entry.xattrs.get('user.a') ?? [])], [0, 10, 255]);
});

test('PAX gives the size of the content', async () => {
  assert.is((await one(pax(['size', '5']), { name: 'f', content: 'hello', size: 0 })).text, 'hello');
});

test('a time before 1970 keeps its fraction', async () => {
  assert.is((await one(pax(['mtime', '-1.5']), { name: 'f' })).mtimeNs, -1_500_000_000n);
});

test('global records hold until an entry has its own', async () => {
  const global = { name: 'g', type: 'g', content: paxRecord('uid', '7') };
  const entries = await read(
    tarOf(
      global,
      { name: 'a' },
      pax(['uid', '8']),
      { name: 'b' },
      pax(['uid', '']),
      { name: 'c', uid: 9 },
      { name: 'd' },
    ),
  );
  assert.equal(
    entries.map(({ uid }) => uid),
    [7, 8, 9, 7],
  );
});

test('GNU long names and links', async () => {
  const long = 'n'.repeat(300);
  const entry = await one(
    { name: '././@LongLink', type: 'L', content: `${long}\0` },
    { name: '././@LongLink', type: 'K', content: `${long}x\0` },
    { name: 'n', type: '2', link: 'n', magic: 'ustar  \0' },
  );
  assert.equal([entry.path, entry.linkPath], [long, `${long}x`]);
});

test('numbers in base 256, also negative ones', async () => {
  const bytes = (...values: number[]): Buffer => Buffer.from(values);
  const entry = await one({
    name: 'f',
    patch: [
      [108, bytes(0x80, 0, 0, 0, 0xee, 0x6b, 0x28, 0)],
      [136, bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe)],
    ],
  });
  assert.equal([entry.uid, entry.mtimeNs], [4_000_000_000, -2_000_000_000n]);
});

test('a ustar prefix is a part of the name, GNU has other things there', async () => {
  assert.is((await one({ name: 'f', prefix: 'a/b' })).path, 'a/b/f');
  assert.is((await one({ name: 'f', prefix: 'a/b', magic: 'ustar  \0' })).path, 'f');
});

test('names that are not UTF-8 keep their bytes', async () => {
  const name = Buffer.from([0x61, 0xff, 0xc3, 0xa9, 0x80]);
  for (const entry of [await one({ name }), await one(pax(['path', name]), { name: 'x' })]) {
    assert.equal([...encodePath(entry.path)], [...name]);
  }
});

test('v7 archives: a slash makes a directory', async () => {
  const entry = await one({ name: 'd/', type: '\0', magic: '\0' });
  assert.is(entry.type, 'directory');
});

test('content that nobody reads is passed over', async () => {
  const paths: string[] = [];
  const bytes = tarOf({ name: 'a', content: 'x'.repeat(5000) }, { name: 'b', content: 'y'.repeat(5000) });
  for await (const entry of readTar(chunked(bytes, 700))) {
    paths.push(entry.path);
    if (entry.path === 'a') for await (const part of entry.content) if (part.length > 0) break;
  }
  assert.equal(paths, ['a', 'b']);
});

test('reads the source to its end, so that a digest of it is complete', async () => {
  let seen = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunked(Buffer.concat([tarOf({ name: 'a' }), Buffer.alloc(9000)]), 512)) {
      seen += chunk.length;
      yield chunk;
    }
  }
  for await (const entry of readTar(source())) assert.is(entry.path, 'a');
  assert.is(seen, 512 + 1024 + 9000);
});

test('stops the source when the reader is left early', async () => {
  let stopped = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunked(tarOf({ name: 'a' }, { name: 'b' }), 512);
    } finally {
      stopped = true;
    }
  }
  for await (const entry of readTar(source())) if (entry.path === 'a') break;
  assert.is(stopped, true);
});

const sparse = (size: string, map: string): RawEntry =>
  pax(['GNU.sparse.size', size], ['GNU.sparse.map', map], ['GNU.sparse.name', 'real']);

test('reads sparse files of every PAX format', async () => {
  using lab = new Lab();
  const file = lab.path('holes');
  const whole = Buffer.alloc(3 << 20);
  for (let part = 0; part < 40; part++) whole.fill(65 + (part % 26), part * 65536, part * 65536 + 100);
  fs.writeFileSync(file, '');
  fs.truncateSync(file, whole.length);
  const fd = fs.openSync(file, 'r+');
  for (let part = 0; part < 40; part++) fs.writeSync(fd, whole, part * 65536, 100, part * 65536);
  fs.closeSync(fd);
  for (const version of ['0.0', '0.1', '1.0']) {
    const args = [
      '--format=pax',
      '-S',
      `--sparse-version=${version}`,
      '--hole-detection=raw',
      '-cf',
      '-',
      '-C',
      lab.dir,
    ];
    const tar = execFileSync('tar', [...args, 'holes'], { maxBuffer: 1 << 26 });
    assert.ok(tar.length < 1 << 20, 'the host made it sparse');
    const [entry] = await read(tar, 1000);
    assert.is(entry?.path, 'holes');
    assert.is(entry?.size, whole.length);
    assert.ok(Buffer.from(entry?.text ?? '').equals(whole), version);
  }
});

test('an entry after a sparse file is found, read or not', async () => {
  const bytes = tarOf(sparse('6', '1,2,5,1'), { name: 'a', content: 'xyz' }, { name: 'b', content: 'next' });
  assert.equal(
    (await read(bytes)).map(({ path, text }) => [path, text]),
    [
      ['real', '\0xy\0\0z'],
      ['b', 'next'],
    ],
  );
  const paths: string[] = [];
  for await (const entry of readTar(chunked(bytes))) paths.push(entry.path);
  assert.equal(paths, ['real', 'b']);
});

const CORRUPT: readonly (readonly [string, Buffer, RegExp])[] = [
  ['a wrong checksum', Buffer.concat([rawEntry({ name: 'a' }).fill('b', 0, 1), TRAILER]), /checksum/],
  ['an unknown type', tarOf({ name: 'a', type: 'Q' }), /unknown type "Q"/],
  ['a sparse file', tarOf({ name: 'a', type: 'S' }), /sparse/],
  ['a sparse file without a size', tarOf(pax(['GNU.sparse.major', '1']), { name: 'a' }), /sparse/],
  ['a sparse file beyond its size', tarOf(sparse('3', '0,2,4,1'), { name: 'a', content: 'abc' }), /map of a sparse/],
  ['a sparse file with too little', tarOf(sparse('9', '0,5'), { name: 'a', content: 'abc' }), /less content/],
  ['letters in a number', tarOf({ name: 'a', patch: [[108, Buffer.from('00x0000')]] }), /number/],
  ['a PAX record without an end', tarOf({ name: 'x', type: 'x', content: '20 path=a\n' }, { name: 'a' }), /PAX/],
  ['a PAX record without a key', tarOf({ name: 'x', type: 'x', content: '5 =a\n' }, { name: 'a' }), /PAX/],
  ['a PAX record of length 0', tarOf({ name: 'x', type: 'x', content: '0 path=a\n' }, { name: 'a' }), /PAX/],
  ['a PAX path with a zero byte', tarOf(pax(['path', 'a\0b']), { name: 'a' }), /zero byte/],
  ['a PAX size that is none', tarOf(pax(['size', '-1']), { name: 'a' }), /no number/],
  ['an extended header without an entry', tarOf(pax(['path', 'a'])), /no entry/],
  ['an owner beyond 32 bits', tarOf(pax(['uid', '4294967296']), { name: 'a' }), /out of range/],
  ['a size below zero', tarOf({ name: 'a', patch: [[124, Buffer.alloc(12, 0xff)]] }), /negative/],
  ['text', Buffer.from('no archive at all'.repeat(100)), /checksum|number/],
];

for (const [what, bytes, pattern] of CORRUPT) {
  test(`refuses ${what}`, async () => {
    await rejectsWith('invalid-archive', () => read(bytes), pattern);
  });
}

test('an archive that was cut anywhere within an entry is refused', async () => {
  const whole = tarOf({ name: 'a', content: 'x'.repeat(600) }, pax(['path', 'b']), { name: 'b', content: 'y' });
  // Between entries an archive may end: some programs write no trailer, or half of one.
  const boundaries = new Set([0, 1536, 3584]);
  for (let size = 0; size < whole.length; size += 64) {
    if (boundaries.has(size) || size >= 4096) await read(whole.subarray(0, size), 100);
    else await rejectsWith('invalid-archive', () => read(whole.subarray(0, size), 100));
  }
});

test('limits hold', async () => {
  const limits = { maxEntries: 2, maxPathBytes: 50, maxHeaderBytes: 1024 };
  const three = tarOf({ name: 'a' }, { name: 'b' }, { name: 'c' });
  await rejectsWith('limit-exceeded', () => read(three, undefined, limits));
  await rejectsWith('limit-exceeded', () => read(tarOf({ name: 'n'.repeat(51) }), undefined, limits));
  await rejectsWith('limit-exceeded', () =>
    read(tarOf(pax(['path', 'n'.repeat(2000)]), { name: 'a' }), undefined, limits),
  );
});

test('the size of the chunks does not matter', async () => {
  const bytes = tarOf(
    pax(['mtime', '5.5']),
    { name: 'a', content: 'x'.repeat(1500) },
    { name: 'd/', type: '5' },
    { name: 'e', content: 'z' },
  );
  const plain = (entries: Read[]): unknown =>
    entries.map(({ path, type, size, text, mtimeNs }) => [path, type, size, text, mtimeNs]);
  const expected = plain(await read(bytes));
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2000 }), async (size) => {
      assert.equal(plain(await read(bytes, size)), expected);
    }),
    { numRuns: 30 },
  );
});

test('random bytes never do anything but fail or end', async () => {
  const base = tarOf(pax(['path', 'b']), { name: 'a', content: 'x'.repeat(100) }, { name: 'e', type: '2', link: 'x' });
  await fc.assert(
    fc.asyncProperty(fc.nat(base.length - 1), fc.nat(255), fc.boolean(), async (at, byte, fix) => {
      const bytes = Buffer.from(base);
      bytes[at] = byte;
      // Without a valid checksum nothing behind it would ever be reached.
      const block = at - (at % 512);
      if (fix) {
        bytes.fill(' ', block + 148, block + 156);
        const sum = bytes.subarray(block, block + 512).reduce((total, value) => total + value, 0);
        bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, block + 148, 'latin1');
      }
      try {
        await read(bytes, 333);
      } catch (error) {
        assert.instance(error, BuildError);
      }
    }),
    { numRuns: 300 },
  );
});

test('reads what GNU tar writes, in each of its formats', async () => {
  using lab = new Lab();
  const tree = lab.makeDir('tree');
  const long = 'l'.repeat(120);
  fs.mkdirSync(`${tree}/${long}`);
  fs.writeFileSync(`${tree}/${long}/ä`, 'content');
  fs.linkSync(`${tree}/${long}/ä`, `${tree}/hard`);
  fs.symlinkSync('t'.repeat(200), `${tree}/soft`);
  for (const format of ['gnu', 'posix']) {
    const bytes = execFileSync('tar', ['--sort=name', `--format=${format}`, '-cf', '-', '-C', tree, '.']);
    const entries = await read(bytes, 1000);
    assert.equal(
      entries.map(({ path, type, text, linkPath }) => [path, type, text, linkPath]),
      [
        ['./', 'directory', '', ''],
        ['./hard', 'file', 'content', ''],
        [`./${long}/`, 'directory', '', ''],
        [`./${long}/ä`, 'link', '', './hard'],
        ['./soft', 'symlink', '', 't'.repeat(200)],
      ],
    );
  }
});

test.run();
