/** The native binary as the runtime of podman and of containerd: what they call is what it has. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { makeBusyboxRootfs } from '../support/busybox-rootfs.ts';
import { until } from './until.ts';

const tests = suite('OCI: engines');
const TIMEOUT_MS = 120_000;
/** Podman raises limits by default, which a machine may forbid. */
const LIMITS = ['--ulimit', 'nofile=1000:1000', '--ulimit', 'nproc=1000:1000'];
const LOOP = 'trap "exit 5" TERM; echo started; while :; do sleep 0.05; done';

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let directory: string;
let rootfs: string;
tests.before(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsbuild-engines-'));
  rootfs = join(directory, 'rootfs');
  mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
});
tests.after(() => rmSync(directory, { recursive: true, force: true }));

function call(command: string, args: readonly string[], input?: Uint8Array): Result {
  const { status, stdout, stderr } = spawnSync(command, args, {
    timeout: TIMEOUT_MS,
    ...(input !== undefined && { input, maxBuffer: 1 << 26 }),
  });
  return { code: status, stdout: stdout.toString().trim(), stderr: stderr.toString() };
}

function on(engine: string, programs: readonly string[], title: string, body: () => Promise<void>): void {
  const missing = programs.find((program) => spawnSync(program, ['--version']).error !== undefined);
  const why = process.getuid?.() !== 0 ? 'containers need root' : missing && `${missing} is not installed`;
  if (why === undefined) {
    tests(`${engine}: ${title}`, body);
    return;
  }
  process.stderr.write(`SKIPPED: ${engine}: ${why}\n`);
  tests.skip(`${engine}: ${title}`);
}

on('podman', ['podman', 'conmon'], 'run, exec, logs, pause, update, stop, kill, rm', async () => {
  const store = join(directory, 'podman');
  const options = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--storage-driver', 'vfs'];
  const flags = ['--root', join(store, 'root'), '--runroot', join(store, 'run'), '--tmpdir', join(store, 'tmp')];
  const podman = (...args: string[]): Result =>
    call('podman', [...flags, ...options, '--runtime', findRuntimeBinary(), ...args]);
  const ok = (...args: string[]): string => {
    const { code, stdout, stderr } = podman(...args);
    assert.is(code, 0, `podman ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const state = (name: string): string => ok('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', name);
  const archive = join(directory, 'rootfs.tar');
  assert.is(call('tar', ['-C', rootfs, '-cf', archive, '.']).code, 0);
  ok('import', archive, 'busybox:test');
  const run = ['run', '--net', 'none', ...LIMITS];
  const once = podman(
    ...run,
    '--rm',
    '--hostname',
    'box',
    'busybox:test',
    '/bin/sh',
    '-c',
    'hostname; echo err >&2; exit 3',
  );
  assert.equal([once.code, once.stdout, once.stderr], [3, 'box', 'err\n']);
  assert.is(podman(...run, '--rm', 'busybox:test', '/no/such').code, 127);
  assert.match(
    podman(
      ...run,
      '--rm',
      '--security-opt',
      'no-new-privileges',
      '--memory',
      '64m',
      'busybox:test',
      'grep',
      'NoNewPrivs',
      '/proc/self/status',
    ).stdout,
    /1$/,
  );
  try {
    ok(...run, '-d', '--name', 'one', 'busybox:test', '/bin/sh', '-c', LOOP);
    await until('it has started', () => podman('logs', 'one').stdout === 'started');
    const executed = podman('exec', '-e', 'A=b', 'one', '/bin/sh', '-c', 'echo $A $$; exit 4');
    assert.is(executed.code, 4, executed.stderr);
    assert.match(executed.stdout, /^b \d+$/);
    ok('pause', 'one');
    assert.is(state('one'), 'paused 0');
    ok('unpause', 'one');
    assert.is(state('one'), 'running 0');
    ok('update', '--memory', '100m', 'one');
    ok('stop', '-t', '30', 'one');
    assert.is(state('one'), 'exited 5');
    ok('start', 'one');
    ok('kill', 'one');
    await until('it was killed', () => state('one') === 'exited 137');
  } finally {
    podman('rm', '-f', '-t', '0', 'one');
    for (const mount of ['root/vfs', 'root/overlay', 'root']) spawnSync('umount', ['-l', join(store, mount)]);
  }
  assert.is(ok('ps', '-aq'), '');
});

on('containerd', ['containerd', 'ctr', 'containerd-shim-runc-v2'], 'run, exec, pause, metrics, kill, rm', async () => {
  const home = join(directory, 'containerd');
  mkdirSync(home);
  const address = join(home, 'sock');
  const lines = [
    'version = 2',
    `root = "${home}/root"`,
    `state = "${home}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    `[grpc]\naddress = "${address}"`,
    `[ttrpc]\naddress = "${home}/ttrpc"`,
  ];
  writeFileSync(join(home, 'config.toml'), `${lines.join('\n')}\n`);
  const daemon: ChildProcess = spawn('containerd', ['-c', join(home, 'config.toml')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => daemon.once('close', resolve));
  const ctr = (...args: string[]): Result => call('ctr', ['-a', address, ...args]);
  const ok = (...args: string[]): string => {
    const { code, stdout, stderr } = ctr(...args);
    assert.is(code, 0, `ctr ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const run = ['run', '--rootfs', '--runc-binary', findRuntimeBinary()];
  const status = (): string => /one\s+\d+\s+(\S+)/.exec(ok('task', 'ls'))?.[1] ?? 'none';
  try {
    await until('the daemon answers', () => ctr('version').code === 0);
    const once = ctr(...run, '--rm', rootfs, 'once', '/bin/sh', '-c', 'echo hi; exit 3');
    assert.equal([once.code, once.stdout], [3, 'hi'], once.stderr);
    ok(...run, '-d', rootfs, 'one', '/bin/sleep', '1000');
    assert.is(ok('task', 'exec', '--exec-id', 'more', 'one', '/bin/echo', 'in exec'), 'in exec');
    ok('task', 'pause', 'one');
    assert.is(status(), 'PAUSED');
    ok('task', 'resume', 'one');
    assert.is(status(), 'RUNNING');
    assert.match(ok('task', 'metrics', 'one'), /memory\.usage_in_bytes +\d/);
    assert.match(ok('task', 'ps', 'one'), /^\d+/m);
    ok('task', 'kill', '-s', 'KILL', 'one');
    await until('it was killed', () => status() === 'STOPPED');
    ctr('task', 'rm', 'one');
    ok('containers', 'rm', 'one');
    assert.is(status(), 'none');
  } finally {
    ctr('task', 'rm', '-f', 'one');
    daemon.kill('SIGTERM');
    await ended;
  }
});

tests.run();
