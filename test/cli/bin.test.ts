/** The bundle as a user starts it. `npm run build` makes it. */
import { spawn } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rigTest } from '../support/rig.ts';
import type { TempDir } from '../support/temp.ts';

const test = suite('bin/tsbuild');

const BIN = fileURLToPath(new URL('../../bin/tsbuild', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly stdin: Writable;
  /** Resolves with stdout so far, once it contains `text`. */
  waitFor(text: string): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  closeStdout(): void;
  readonly ended: Promise<Ended>;
}

function start(dir: TempDir, argv: readonly string[], bin = BIN, input = ''): Started {
  const started = startOpen(dir, argv, bin);
  started.stdin.end(input);
  return started;
}

/** With a stdin that nothing is written to and that does not end. */
function startOpen(dir: TempDir, argv: readonly string[], bin = BIN): Started {
  const child = spawn(process.execPath, [bin, ...argv], {
    cwd: dir.path,
    env: { PATH: process.env['PATH'], HOME: dir.path, TSBUILD_ROOT: dir.join('store') },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    stdin: child.stdin,
    waitFor: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => void (stdout.includes(text) && resolve(stdout));
        child.stdout.on('data', look);
        look();
        ended.then(({ stderr: why }) => reject(new Error(`it ended without "${text}": ${why}`)), reject);
      }),
    kill: (signal) => void child.kill(signal),
    closeStdout: () => child.stdout.destroy(),
    ended,
  };
}

test(
  'says which version it is, and nothing else',
  rigTest(async ({ dir }) => {
    const { code, stdout, stderr } = await start(dir, ['--version']).ended;
    assert.equal([code, stderr], [0, '']);
    assert.match(stdout, /^tsbuild version \d+\.\d+\.\d+\n$/);
  }),
);

const CALLS: readonly (readonly [string, readonly string[], number, RegExp, string?])[] = [
  ['an unknown flag', ['--tga', 'x', '.'], 2, /did you mean "--tag"/],
  ['an unknown command', ['imagse'], 2, /did you mean "images"/],
  ['a context that is missing', ['./gone'], 1, /gone/],
  ['a context without a Dockerfile', ['.'], 3, /Dockerfile/],
  ['a Dockerfile that is wrong', ['-f', 'wrong/Dockerfile', 'wrong'], 3, /2 >>> \| FORM/],
  ['a base that is not there', ['run', '--pull', 'never', 'gone'], 125, /gone/],
  ['a flag of run that is missing', ['run', '--gpus', 'all', 'gone'], 125, /tsbuild does not support it/],
  ['an image that is missing', ['inspect', 'gone'], 1, /gone/],
  ['a container that is missing', ['rm', 'gone'], 1, /gone/],
  ['an archive that is none', ['load'], 5, /./, 'this is not a tar'],
  ['a store that is a file', ['--root', 'wrong/Dockerfile', 'images'], 6, /wrong\/Dockerfile/],
];
for (const [what, argv, status, message, input] of CALLS) {
  test(
    `ends with ${status} and without a stack for ${what}`,
    rigTest(async ({ dir }) => {
      await mkdir(dir.join('wrong'));
      await writeFile(dir.join('wrong/Dockerfile'), 'FROM scratch\nFORM scratch\n');
      const { code, stderr } = await start(dir, argv, BIN, input).ended;
      assert.is(code, status, stderr);
      assert.match(stderr, message);
      assert.match(stderr, /^ERROR: /m);
      assert.not.match(stderr, /^\s+at /m);
    }),
  );
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(
    `ends with ${status} after ${signal}`,
    rigTest(async ({ dir }) => {
      const run = startOpen(dir, ['prune']);
      await run.waitFor('[y/N]');
      run.kill(signal);
      const { code, stderr } = await run.ended;
      assert.equal([code, stderr], [status, `ERROR: Cancelled by ${signal}\n`]);
    }),
  );
}

test(
  'says nothing when the reader of its output has gone away',
  rigTest(async ({ dir }) => {
    const run = start(dir, ['help'], BIN);
    run.closeStdout();
    const { code, signal, stderr } = await run.ended;
    assert.equal([signal, stderr], [null, '']);
    // It may have been done before it noticed.
    assert.ok(code === 0 || code === 141, String(code));
  }),
);

test(
  'says what to do when it is not built',
  rigTest(async ({ dir }) => {
    await mkdir(dir.join('bin'));
    for (const name of ['tsbuild', 'patience.js', 'rootless.js', 'package.json'])
      await copyFile(`${dirname(BIN)}/${name}`, dir.join(`bin/${name}`));
    const { code, stderr } = await start(dir, ['images'], dir.join('bin/tsbuild')).ended;
    assert.equal([code, stderr], [1, 'ERROR: tsbuild is not built yet: run "npm run build" in its directory first\n']);
  }),
);

test.run();
