import { readFileSync } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openContentStore } from '../../src/content/fs-store.ts';
import { currentOwner, ownedName } from '../../src/core/owner.ts';
import { digestOf, hexOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { testContentStore } from '../conformance/blobs.ts';
import { rejectsWith } from '../support/assert.ts';
import { failingFs } from '../support/failing-fs.ts';
import { tempDir } from '../support/temp.ts';

testContentStore('on disk', async () => {
  const dir = await tempDir();
  return { store: openContentStore(dir.path), [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
});

const test = suite('content/fs-store');

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const part of parts) yield Buffer.from(part);
}

/** Every file below a directory. */
async function filesBelow(dir: string): Promise<string[]> {
  const entries = await nodeFs.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

test('the directory is an OCI image layout', async () => {
  await using dir = await tempDir();
  const { digest } = await openContentStore(dir.path).put(Buffer.from('hello'));
  assert.equal(await filesBelow(join(dir.path, 'content')), [`blobs/sha256/${hexOf(digest)}`, 'oci-layout']);
  assert.equal(JSON.parse(readFileSync(join(dir.path, 'content/oci-layout'), 'utf8')), { imageLayoutVersion: '1.0.0' });
});

test('reading creates nothing', async () => {
  await using dir = await tempDir();
  const store = openContentStore(dir.path);
  assert.equal(await store.has(digestOf('x')), false);
  for await (const _ of store.list()) assert.unreachable();
  assert.equal(await nodeFs.readdir(dir.path), []);
});

test('a damaged blob is not read', async () => {
  await using dir = await tempDir();
  const store = openContentStore(dir.path);
  const { digest } = await store.put(Buffer.from('hello'));
  await nodeFs.writeFile(join(dir.path, 'content/blobs/sha256', hexOf(digest)), 'jello');
  await rejectsWith('store-corrupt', () => store.read(digest), /damaged/);
});

test('a blob that was cut short is written again', async () => {
  await using dir = await tempDir();
  const store = openContentStore(dir.path);
  const { digest } = await store.put(Buffer.from('hello'));
  await nodeFs.truncate(join(dir.path, 'content/blobs/sha256', hexOf(digest)), 2);
  await store.write(chunks('hello'), { digest, sizeBytes: 5 });
  assert.equal((await store.read(digest)).toString(), 'hello');
});

test('what dead processes left behind is removed, what others still write is not', async () => {
  await using dir = await tempDir();
  const ingest = join(dir.path, 'content/ingest');
  await nodeFs.mkdir(ingest, { recursive: true });
  const self = currentOwner();
  const dead = ownedName('0', { ...self, pid: 2 ** 22 + 1 });
  const reused = ownedName('1', { ...self, startTime: '1' });
  const parent = process.ppid;
  const alive = ownedName('2', {
    ...self,
    pid: parent,
    startTime: readFileSync(`/proc/${parent}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')[19]!,
  });
  for (const name of [dead, reused, alive]) await nodeFs.writeFile(join(ingest, name), '');
  await openContentStore(dir.path).put(Buffer.from('hello'));
  assert.equal(await nodeFs.readdir(ingest), [alive]);
});

test('a blob that is found here already counts as used, one that is only looked at does not', async () => {
  await using dir = await tempDir();
  const store = openContentStore(dir.path);
  const { digest } = await store.put(Buffer.from('hello'));
  const path = join(dir.path, 'content/blobs/sha256', hexOf(digest));
  const used = async (action: () => Promise<unknown>): Promise<boolean> => {
    await nodeFs.utimes(path, 1000, 1000);
    await action();
    for await (const blob of store.list()) return blob.modifiedAtMs > 1_000_000;
    return assert.unreachable() as never;
  };
  assert.is(await used(() => store.stat(digest)), false);
  assert.is(await used(() => store.read(digest)), false);
  assert.is(await used(() => store.has(digest)), true);
  assert.is(await used(() => store.put(Buffer.from('hello'))), true);
  assert.is(await used(() => store.write(chunks('x'), { digest })), true);
});

for (const [errno, code] of [
  ['ENOSPC', 'store-full'],
  ['EDQUOT', 'store-full'],
  ['EACCES', 'store-unwritable'],
  ['EROFS', 'store-unwritable'],
] as const) {
  test(`${errno} at any write is reported as ${code}, keeps nothing, and the next try succeeds`, async () => {
    for (let failAt = 1; ; failAt++) {
      await using dir = await tempDir();
      const faulty = failingFs(failAt, errno, ['mkdir', 'open', 'rename', 'write', 'sync']);
      const store = openContentStore(dir.path, { fs: faulty.fs });
      const expected = { digest: digestOf('hello'), sizeBytes: 5 };
      let failed: unknown;
      await store.write(chunks('hel', 'lo'), expected).catch((error: unknown) => (failed = error));
      if (!faulty.hasFailed()) {
        assert.ok(failAt > 8, `only ${failAt - 1} calls were made to fail`);
        return;
      }
      assert.instance(failed, BuildError);
      assert.is((failed as BuildError).code, code);
      // The last call makes the name durable: the blob is whole by then.
      const kept = (await filesBelow(dir.path)).filter((path) => path.includes('blobs/') || path.includes('ingest/'));
      if (kept.length > 0) assert.equal((await openContentStore(dir.path).read(expected.digest)).toString(), 'hello');
      assert.equal(await store.write(chunks('hello'), expected), expected);
      assert.equal((await filesBelow(join(dir.path, 'content/ingest'))).length, 0);
    }
  });
}

test.run();
