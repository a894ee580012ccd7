import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeDirectories } from '../../src/core/directories.ts';
import { errnoOf } from '../../src/core/errors.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('core/directories');

async function failure(path: string): Promise<string | undefined> {
  return makeDirectories(path).then(
    () => undefined,
    (error: unknown) => errnoOf(error),
  );
}

test('makeDirectories() makes what is missing, and is content with what is there', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'a/b/c');
  await makeDirectories(path, 0o710);
  await makeDirectories(path);
  assert.is((await stat(path)).mode & 0o777, 0o710);
  await Promise.all(['x/1', 'x/2', 'x/1'].map((name) => makeDirectories(join(dir.path, name))));
});

test('makeDirectories() refuses a file in the way', async () => {
  await using dir = await tempDir();
  await mkdir(join(dir.path, 'd'));
  await writeFile(join(dir.path, 'd/file'), '');
  assert.is(await failure(join(dir.path, 'd/file')), 'EEXIST');
  assert.is(await failure(join(dir.path, 'd/file/below')), 'ENOTDIR');
});

test('makeDirectories() ends where the file system has its own mind', async () => {
  assert.is(await failure('/proc/nothing/here'), 'ENOENT');
});

test.run();
