import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeArchive } from '../../../src/image/archive/output.ts';
import { rejectsWith } from '../../support/assert.ts';
import { tempDir } from '../../support/temp.ts';
import { streamOf } from '../rig.ts';

const test = suite('image/archive/output');

test('a file is written as a whole and replaces what was there', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'a.tar');
  await writeArchive(path, streamOf('one'));
  await writeArchive(path, streamOf('tw', 'o'));
  assert.is(await nodeFs.readFile(path, 'utf8'), 'two');
  assert.equal(await nodeFs.readdir(dir.path), ['a.tar']);
});

test('a failure leaves what was there', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'a.tar');
  await writeArchive(path, streamOf('one'));
  async function* failing(): AsyncGenerator<Uint8Array, void> {
    yield Buffer.from('tw');
    await Promise.resolve();
    throw new TypeError('lost');
  }
  let message = '';
  await writeArchive(path, failing()).catch((error: unknown) => (message = String(error)));
  assert.is(message, 'TypeError: lost');
  assert.is(await nodeFs.readFile(path, 'utf8'), 'one');
  assert.equal(await nodeFs.readdir(dir.path), ['a.tar']);
});

test('what is no file is written to, and a place that is none is an error', async () => {
  await using dir = await tempDir();
  await writeArchive('/dev/null', streamOf('one'));
  assert.is((await nodeFs.stat('/dev/null')).isCharacterDevice(), true);
  await rejectsWith(
    'usage',
    () => writeArchive(join(dir.path, 'none/a.tar'), streamOf('one')),
    /directory does not exist/,
  );
  await rejectsWith('usage', () => writeArchive(dir.path, streamOf('one')), /it is a directory/);
});

test('abort leaves nothing', async () => {
  await using dir = await tempDir();
  const signal = AbortSignal.abort();
  await rejectsWith('cancelled', () => writeArchive(join(dir.path, 'a.tar'), streamOf('one'), { signal }));
  assert.equal(await nodeFs.readdir(dir.path), []);
});

test.run();
