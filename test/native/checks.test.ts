import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('native code under the sanitizers');
const SOURCES = join(import.meta.dirname, '../../src/runtime-native/c');

test('its checks find nothing', () => {
  const { status, stdout, stderr } = spawnSync('make', ['-s', '-j2', '-C', SOURCES, 'check'], { encoding: 'utf8' });
  assert.is(status, 0, `${stdout.slice(-2000)}\n${stderr.slice(-4000)}`);
});

test.run();
