import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { readSecrets } from '../../src/engine/secrets.ts';
import { MAX_SECRET_BYTES } from '../../src/executor/secret-files.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('secrets of a build');

async function read(path: string, signal = new AbortController().signal): Promise<string> {
  const secrets = await readSecrets(new Map([['token', { kind: 'file', path }]]), signal);
  const secret = secrets.get('token');
  return secret?.kind === 'value' ? Buffer.from(secret.value).toString() : 'no value';
}

async function failure(path: string): Promise<BuildError> {
  try {
    await read(path);
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('no failure');
}

test('files are read, up to the limit', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'file');
  for (const text of ['', 'value\n', 'x'.repeat(MAX_SECRET_BYTES)]) {
    writeFileSync(path, text);
    assert.is(await read(path), text);
  }
  writeFileSync(path, 'x'.repeat(MAX_SECRET_BYTES + 1));
  assert.is((await failure(path)).code, 'limit-exceeded');
  assert.is((await failure('/dev/zero')).code, 'limit-exceeded');
});

test('what cannot be read is told with the reason', async () => {
  await using dir = await tempDir();
  mkdirSync(join(dir.path, 'directory'));
  assert.match((await failure(join(dir.path, 'directory'))).message, /it is a directory$/);
  assert.match((await failure(join(dir.path, 'missing'))).message, /there is no such file$/);
});

test('a named pipe is waited for', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'pipe');
  execFileSync('mkfifo', [path]);
  const value = read(path);
  const writer = spawn('sh', ['-c', 'printf first >"$0"', path]);
  assert.is(await value, 'first');
  await once(writer, 'close');
  // This writer is there before the reader, and waits.
  const early = spawn('sh', ['-c', 'printf second >"$0"', path]);
  await once(early, 'spawn');
  assert.is(await read(path), 'second');
});

test('a pipe without a writer does not keep a build from being cancelled', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'pipe');
  execFileSync('mkfifo', [path]);
  const controller = new AbortController();
  const reading = read(path, controller.signal).then(
    () => 'read',
    () => 'cancelled',
  );
  setImmediate(() => controller.abort());
  assert.is(await reading, 'cancelled');
});

test.run();
