import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { tempDir } from '../support/temp.ts';

const tests = suite('findRuntimeBinary()');

tests('finds the binary of this package, which tells its version', () => {
  const output = execFileSync(findRuntimeBinary(), ['--version'], { encoding: 'utf8' });
  assert.match(output, /^tsbuild-runtime \d+\.\d+\.\d+\nfeatures:.* container/);
});

tests('finds it from a bundle as from a source file', async () => {
  await using temp = await tempDir();
  const binary = join(temp.path, 'src/runtime-native/c/build/tsbuild-runtime');
  mkdirSync(dirname(binary), { recursive: true });
  mkdirSync(join(temp.path, 'dist/inner'), { recursive: true });
  writeFileSync(join(temp.path, 'package.json'), '{"name":"tsbuild"}');
  writeFileSync(join(temp.path, 'dist/package.json'), '{"type":"module"}');
  const url = pathToFileURL(join(temp.path, 'dist/inner/main.js')).href;
  try {
    findRuntimeBinary(url);
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof BuildError && error.code === 'runtime-unavailable');
    assert.match(error.hint ?? '', 'npm run native');
  }
  writeFileSync(binary, '');
  chmodSync(binary, 0o755);
  assert.is(findRuntimeBinary(url), binary);
});

tests.run();
