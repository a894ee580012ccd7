import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePath } from '../../src/core/path-bytes.ts';
import type { TarEntry } from '../../src/layer/reader.ts';
import { readTar } from '../../src/layer/reader.ts';
import { digestLayer, packLayer } from '../../src/layer/write.ts';
import type { Metadata } from '../../src/runtime-native/tree-types.ts';
import { rejectsWith } from '../support/assert.ts';
import { BINARY, chunked, collect, isRoot, Lab, nativeFiles } from './support.ts';

const test = suite('packLayer()');
const files = nativeFiles();
const pack = (dir: string): Promise<Buffer> => collect(packLayer(files, dir));

async function entriesOf(bytes: Buffer): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of readTar(chunked(bytes))) entries.push(entry);
  return entries;
}

/** Type flags and names as they stand in the headers, also of PAX headers. */
function headers(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at + 512 <= bytes.length;) {
    const name = bytes.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    if (name === '') break;
    found.push(`${bytes.toString('latin1', at + 156, at + 157)} ${name}`);
    at += 512 + Math.ceil(parseInt(bytes.toString('latin1', at + 124, at + 135), 8) / 512) * 512;
  }
  return found;
}

test('an empty directory is two zero blocks', async () => {
  using lab = new Lab();
  assert.ok((await pack(lab.dir)).equals(Buffer.alloc(1024)));
});

test('a directory that is missing is reported', async () => {
  await rejectsWith('store-corrupt', () => pack('/nonexistent/layer'), /nonexistent/);
});

test('leaving the stream early ends the process', async () => {
  using lab = new Lab();
  fs.writeFileSync(lab.path('big'), Buffer.alloc(10_000_000));
  for await (const chunk of packLayer(files, lab.dir)) if (chunk !== undefined) break;
  const abort = new AbortController();
  const stream = packLayer(files, lab.dir, abort.signal);
  await rejectsWith('cancelled', async () => {
    for await (const chunk of stream) if (chunk !== undefined) abort.abort();
  });
  const children = execFileSync('ps', ['-o', 'args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  assert.not.match(children, /tsbuild-runtime pack/);
});

test('a stream that nobody reads starts no process', async () => {
  const stream = packLayer(files, '/nonexistent/layer');
  stream.destroy();
  assert.is(stream.errored, null);
});

test('a file that changes its size meanwhile is an error', async () => {
  using lab = new Lab();
  // Larger than all buffers on the way, so that the packer waits in the middle of it.
  fs.writeFileSync(lab.path('a'), Buffer.alloc(8_000_000));
  for (const size of [7_000_000, 9_000_000]) {
    const child = spawn(BINARY, ['pack', lab.dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    let first = true;
    let end: Buffer = Buffer.alloc(0);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      if (first && chunk.length > 0) fs.truncateSync(lab.path('a'), size);
      first = false;
      end = Buffer.concat([end, chunk]).subarray(-8192);
    }
    // The last frame's size tells that a failure follows, which is a record of four words and a path.
    const failure = end.subarray(end.length - 4 - 16 - 'a'.length);
    assert.is(failure.readUInt32LE(0), 0xffff_ffff);
    assert.is(failure.readUInt32LE(8), 12);
    assert.is(failure.subarray(20).toString(), 'a');
    fs.truncateSync(lab.path('a'), 8_000_000);
  }
});

test('sockets are left out', async () => {
  using lab = new Lab();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(lab.path('socket'), resolve));
  try {
    assert.ok((await pack(lab.dir)).equals(Buffer.alloc(1024)));
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a file whose name would delete something is refused', async () => {
  using lab = new Lab();
  fs.mkdirSync(lab.path('d'));
  fs.writeFileSync(lab.path('d/.wh.x'), '');
  await rejectsWith('unsupported-feature', () => pack(lab.dir), /"\/d\/\.wh\.x"/);
});

if (isRoot('packing owners and devices')) {
  const at = (mode: number, mtimeNs = 1_000_000_000n): Metadata => ({ mode, uid: 0, gid: 0, mtimeNs });
  const options = { existing: 'update' } as const;

  test('the canonical form does not change by accident', async () => {
    using lab = new Lab();
    {
      await using writer = files.openWriter({ kind: 'directory', path: lab.dir });
      await writer.directory('/d', at(0o755), options);
      await writer.file('/d/f', at(0o4755, 1_999_999_999n), { kind: 'bytes', data: Buffer.from('hello\n') }, options);
      await writer.link('/d/g', '/d/f', options);
      await writer.symlink('/d/s', 'f', at(0o777), options);
      await writer.node('/n', 'block', { major: 8, minor: 1 }, at(0o600), options);
      await writer.whiteout('/gone');
      await writer.opaque('/d');
      await writer.close();
    }
    const bytes = await pack(lab.dir);
    assert.equal(headers(bytes), ['5 d/', '0 d/.wh..wh..opq', '0 d/f', '1 d/g', '2 d/s', '0 .wh.gone', '4 n']);
    // Any change to this digest changes the digest of every image that is built.
    assert.is(
      createHash('sha256').update(bytes).digest('hex'),
      'b104bb70ae54a9e9c5813afbe0af28fa5b9096258b981feb0fa5945ca0e846b4',
    );
    assert.equal(await digestLayer(files, lab.dir), {
      diffID: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      sizeBytes: bytes.length,
    });
  });

  test('PAX headers come only where ustar does not do', async () => {
    using lab = new Lab();
    const long = 'n'.repeat(101);
    const raw = 'r\udcff';
    {
      await using writer = files.openWriter({ kind: 'directory', path: lab.dir });
      const empty = { kind: 'bytes', data: Buffer.alloc(0) } as const;
      await writer.file(`/${'n'.repeat(100)}`, at(0o644), empty, options);
      await writer.file(`/${long}`, at(0o644), empty, options);
      await writer.file(`/${raw}`, at(0o644), empty, options);
      await writer.file('/ü', at(0o644, -1_500_000_000n), empty, options);
      await writer.file('/ids', { ...at(0o644), uid: 2_097_152, gid: 2_097_151 }, empty, options);
      await writer.symlink('/link', long, at(0o777), options);
      await writer.close();
    }
    const bytes = await pack(lab.dir);
    const extended = 'x PaxHeaders.0';
    const hundred = `0 ${'n'.repeat(100)}`;
    assert.equal(headers(bytes), [
      extended,
      '0 ids',
      extended,
      '2 link',
      hundred,
      extended,
      hundred,
      extended,
      '0 r_',
      extended,
      '0 __',
    ]);
    const entries = await entriesOf(bytes);
    assert.equal(
      entries.map(({ path, uid, gid, mtimeNs }) => [path, uid, gid, mtimeNs]),
      [
        ['ids', 2_097_152, 2_097_151, 1_000_000_000n],
        ['link', 0, 0, 1_000_000_000n],
        ['n'.repeat(100), 0, 0, 1_000_000_000n],
        [long, 0, 0, 1_000_000_000n],
        [raw, 0, 0, 1_000_000_000n],
        // Whole seconds, rounded down.
        ['ü', 0, 0, -2_000_000_000n],
      ],
    );
    assert.equal([...encodePath(entries[4]!.path)], [0x72, 0xff]);
  });

  test('of the attributes only file capabilities are in a layer', async () => {
    using lab = new Lab();
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const xattrs = new Map<string, Uint8Array>([
      ['security.capability', capability],
      ['user.note', Buffer.from('x')],
    ]);
    {
      await using writer = files.openWriter({ kind: 'directory', path: lab.dir });
      await writer.file('/f', { ...at(0o755), xattrs }, { kind: 'bytes', data: Buffer.from('x') }, options);
      await writer.close();
    }
    const [entry] = await entriesOf(await pack(lab.dir));
    assert.equal(
      [...(entry?.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value)]),
      [['security.capability', capability]],
    );
  });

  test('all whiteouts share an inode in overlayfs, and are no hard links of each other', async () => {
    using lab = new Lab();
    {
      await using writer = files.openWriter({ kind: 'directory', path: lab.dir });
      await writer.whiteout('/a');
      await writer.close();
    }
    fs.linkSync(lab.path('a'), lab.path('b'));
    const entries = await entriesOf(await pack(lab.dir));
    assert.equal(
      entries.map(({ path, type, mode, mtimeNs }) => [path, type, mode, mtimeNs]),
      [
        ['.wh.a', 'file', 0, 0n],
        ['.wh.b', 'file', 0, 0n],
      ],
    );
  });

  test('hard links to files outside the layer do not matter', async () => {
    using lab = new Lab();
    const dir = lab.makeDir('layer');
    fs.writeFileSync(join(dir, 'b'), 'x');
    fs.linkSync(join(dir, 'b'), lab.path('outside'));
    fs.linkSync(join(dir, 'b'), join(dir, 'a'));
    const entries = await entriesOf(await pack(dir));
    assert.equal(
      entries.map(({ path, type, linkPath }) => [path, type, linkPath]),
      [
        ['a', 'file', ''],
        ['b', 'link', 'a'],
      ],
    );
  });
}

test.run();
