import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('native code as tools see it');
const SOURCES = join(import.meta.dirname, '../../src/runtime-native/c');
const FUZZ = join(import.meta.dirname, '../../scripts/fuzz-native.mjs');

function passes(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  assert.is(status, 0, `${error?.message ?? ''}${stdout.slice(-2000)}\n${stderr.slice(-4000)}`);
  return stdout;
}

/** What scripts/setup.sh installs for the tests, and a machine that only builds need not have. */
function testWith(command: string, name: string, body: () => void): void {
  if (spawnSync(command, ['--version']).status === 0) {
    test(name, body);
    return;
  }
  console.log(`skipped what needs ${command}: it is not installed`);
  test.skip(name, body);
}

const make = (...args: readonly string[]): string => passes('make', ['-s', '-j2', '-C', SOURCES, ...args]);

test('its checks find nothing under the sanitizers', () => {
  make('check');
});

testWith('cppcheck', 'the linter finds nothing', () => {
  make('lint');
});

testWith('clang', 'clang compiles it without a warning, to a program that runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clang-'));
  try {
    make('CC=clang', 'CFLAGS=-O1', `BUILD=${folder}`);
    assert.match(passes(join(folder, 'tsbuild-runtime'), ['oci', 'features']), '"ociVersionMax"');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

testWith('clang', 'a few seconds of fuzzing find nothing, in any of its readers', () => {
  const output = passes(process.execPath, [FUZZ, '2']);
  const targets = output.trim().split('\n');
  assert.ok(targets.length >= 13, output);
  for (const line of targets) assert.match(line, /^\w+: [1-9]\d* executions, [1-9]\d* edges/);
});

test.run();
