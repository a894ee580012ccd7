import { execFileSync } from 'node:child_process';
import { link, mkdir, open, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diskBytes, makeDirectories } from '../../src/core/directories.ts';
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

function du(path: string): number {
  return Number.parseInt(execFileSync('du', ['-s', '--block-size=1', path], { encoding: 'utf8' }), 10);
}

test('diskBytes() counts blocks as du does: holes not, several names once, links not followed', async () => {
  await using dir = await tempDir();
  const tree = dir.join('tree');
  await mkdir(join(tree, 'a/b'), { recursive: true });
  await writeFile(join(tree, 'a/plain'), Buffer.alloc(300_000, 'x'));
  await writeFile(Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.of(0xff)]), Buffer.alloc(50_000, 'y'));
  {
    await using holes = await open(join(tree, 'a/b/holes'), 'w');
    await holes.truncate(1 << 30);
  }
  const plain = await diskBytes(tree);
  assert.ok(plain >= 350_000 && plain < 1 << 20, `${plain}`);
  assert.is(plain, du(tree));
  await link(join(tree, 'a/plain'), join(tree, 'a/b/again'));
  await writeFile(dir.join('outside'), Buffer.alloc(300_000, 'z'));
  await symlink(dir.path, join(tree, 'a/b/up'));
  const linked = await diskBytes(tree);
  assert.is(linked, du(tree));
  assert.ok(linked < plain + 300_000, 'neither the second name nor what a link points to is counted');
});

test('diskBytes() of nothing is 0, of a file its own', async () => {
  await using dir = await tempDir();
  assert.is(await diskBytes(dir.join('missing')), 0);
  await writeFile(dir.join('file'), Buffer.alloc(10_000, 'x'));
  assert.is(await diskBytes(dir.join('file')), du(dir.join('file')));
  assert.is(await diskBytes(dir.join('file/below')).catch(errnoOf), 'ENOTDIR');
});

test.run();
