import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import type { ContainerSpec, RunningContainer } from '../../src/runtime-native/types.ts';
import { containerSuite } from '../support/container.ts';
import { groupsGone, groupsOf } from './groups.ts';
import { until } from './until.ts';

/** Whether a process runs; a zombie that nobody reaps does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The pids of processes whose command line has `text`. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isRunning(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
      } catch {
        return false;
      }
    });
}

/** Kills the supervisors that this process has started; returns how many there were. */
function killSupervisors(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number);
  const supervisors = children.filter((pid) => isRunning(pid) && processName(pid) === 'tsbuild-runtime');
  for (const pid of supervisors) process.kill(pid, 'SIGKILL');
  return supervisors.length;
}

function processName(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

function parentOf(pid: number): number {
  return Number(/\nPPid:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

let marks = 0;

/** A number of seconds to sleep for that no other process on the machine has. */
function mark(): string {
  return `${9_000_000 + process.pid}.${++marks}`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof BuildError ? error.code : undefined;
}

containerSuite('native runtime: the end of a container', (test) => {
  test('an abort kills everything and rejects after the cleanup', async (rig) => {
    const seconds = mark();
    const spec = rig.spec(
      `(sleep ${seconds} & sleep ${seconds} & trap "" TERM INT; wait) & echo up; sleep ${seconds}`,
      {
        mounts: [{ kind: 'tmpfs', target: '/stub', readonly: false }],
      },
    );
    const abort = new AbortController();
    let running: RunningContainer | undefined;
    let code: string | undefined;
    try {
      await rig.run(spec, {
        signal: abort.signal,
        onStarted: (container) => (running = container),
        onStdout: () => abort.abort(),
      });
    } catch (error) {
      code = codeOf(error);
    }
    assert.is(code, 'cancelled');
    assert.ok(running);
    assert.equal(processesWith(seconds), []);
    await groupsGone(spec.id);
    assert.ok(spec.rootfs.kind === 'overlay' && !existsSync(join(spec.rootfs.upper, 'stub')));
  });

  test('an abort before the start starts nothing', async (rig) => {
    let started = false;
    let code: string | undefined;
    try {
      await rig.run(rig.spec('true'), { signal: AbortSignal.abort(), onStarted: () => (started = true) });
    } catch (error) {
      code = codeOf(error);
    }
    assert.is(code, 'cancelled');
    assert.not(started);
  });

  test('an abort at any moment of the start leaves nothing behind', async (rig) => {
    const seconds = mark();
    for (let turns = 0; turns < 24; turns++) {
      const abort = new AbortController();
      const spec = rig.spec(`sleep ${seconds}`);
      const run = rig.run(spec, { signal: abort.signal, onStarted: () => abort.abort() });
      let left = turns * 3;
      const tick = (): void => void (left-- > 0 ? setImmediate(tick) : abort.abort());
      tick();
      let code: string | undefined;
      await run.catch((error: unknown) => (code = codeOf(error)));
      assert.is(code, 'cancelled');
      await groupsGone(spec.id);
    }
    assert.equal(processesWith(seconds), []);
  });

  test('while it runs it has groups of its own, and none afterwards', async (rig) => {
    const spec = rig.spec('trap "exit 0" USR1; echo up; while :; do sleep 0.01; done');
    let during: string[] = [];
    let container: RunningContainer | undefined;
    await rig.run(spec, {
      onStarted: (running) => (container = running),
      onStdout: () => {
        during = groupsOf(spec.id);
        container?.kill('SIGUSR1');
      },
    });
    await groupsGone(spec.id);
    assert.ok(during.length > 0);
  });

  test('a signal to the supervisor reaches the process', async (rig) => {
    const spec = rig.spec('trap "echo hung up; exit 5" HUP; echo up; while :; do sleep 0.01; done');
    const caller = runElsewhere(rig.directory, spec, 'inherit');
    let stdout = '';
    caller.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout === '') {
        const [pid = 0] = processesWith('trap "echo hung up');
        process.kill(parentOf(pid), 'SIGHUP');
      }
      stdout += text;
    });
    const code = await new Promise((resolve) => caller.on('close', resolve));
    assert.is(code, 5);
    assert.match(stdout, 'hung up');
  });

  test('closing the runtime ends what still runs, and leaves nothing', async (rig) => {
    const seconds = mark();
    const runtime = createNativeRuntime({ binaryPath: findRuntimeBinary() });
    const spec = rig.spec(`sleep ${seconds}`);
    const stdio = { kind: 'pipe', onStdout: () => undefined, onStderr: () => undefined } as const;
    let code: number | undefined;
    await new Promise<void>((resolve) => {
      void runtime.run(spec, { stdio, onStarted: () => resolve() }).then((exit) => (code = exit.code));
    });
    await runtime.close();
    assert.is(code, 137);
    assert.equal(processesWith(seconds), []);
    assert.equal(groupsOf(spec.id), []);
  });

  test('containers of one helper run side by side, each with its own output', async (rig) => {
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        rig.run(rig.spec(`for i in 1 2 3; do echo ${index}; done; exit ${index}`)),
      ),
    );
    for (const [index, { exit, stdout }] of outcomes.entries()) {
      assert.is(exit.code, index);
      assert.is(stdout, `${index}\n`.repeat(3));
    }
  });

  test('uses control groups of version 2 where there are no others', async (rig) => {
    const script =
      'cat /proc/self/cgroup; mknod /tmp/mem c 1 1; head -c 1 /tmp/mem || echo denied; head -c 2 /dev/zero | wc -c; ls -d /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x || echo readonly';
    const spec = rig.spec(script);
    const file = join(rig.directory, 'v2.json');
    writeFileSync(file, JSON.stringify(spec));
    const only = 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || exit 99; exec "$@"';
    const command = [process.execPath, '--import', 'tsx', join(import.meta.dirname, 'caller.ts'), file, 'pipe'];
    const result = spawnSync('unshare', ['-m', 'sh', '-c', only, 'sh', ...command], { encoding: 'utf8' });
    if (result.status === 99) {
      process.stderr.write('SKIPPED: version 2 control groups cannot be mounted here\n');
      return;
    }
    const lines = result.stdout.trim().split('\n');
    assert.is(
      lines.find((line) => line.startsWith('0::')),
      '0::/',
      'the group is the root of its own namespace',
    );
    assert.equal(lines.slice(-4), ['denied', '2', '/sys/fs/cgroup/cgroup.procs', 'readonly'], result.stderr);
    await groupsGone(spec.id);
  });

  test('the death of the helper’s keeper ends the container; the next start sweeps its groups', async (rig) => {
    const seconds = mark();
    const spec = rig.spec(`sleep ${seconds} & sleep ${seconds}`, { user: 'app' });
    let code: string | undefined;
    let pid = 0;
    await rig
      .run(spec, {
        onStarted: (container) => {
          pid = container.pid;
          process.kill(parentOf(parentOf(pid)), 'SIGKILL');
        },
      })
      .catch((error: unknown) => (code = codeOf(error)));
    assert.is(code, 'runtime-failed');
    await until('the processes are gone', () => !isRunning(pid) && processesWith(seconds).length === 0);
    assert.ok(groupsOf(spec.id).length > 0, 'nobody was left to remove the groups');
    await rig.output('true');
    await groupsGone(spec.id);
  });

  test('the death of the helper ends the container, and its keeper removes the groups', async (rig) => {
    const seconds = mark();
    const spec = rig.spec(`sleep ${seconds} & sleep ${seconds}`, { user: 'app' });
    let code: string | undefined;
    await rig
      .run(spec, { onStarted: ({ pid }) => process.kill(parentOf(pid), 'SIGKILL') })
      .catch((error: unknown) => (code = codeOf(error)));
    assert.is(code, 'runtime-failed');
    await until('the processes are gone', () => processesWith(seconds).length === 0);
    await groupsGone(spec.id);
  });

  test('a command that gained privileges by its exec ends with the supervisor too', async (rig) => {
    const seconds = mark();
    const layer = rig.fresh('layer');
    copyFileSync(join(rig.base, 'bin/busybox'), join(layer, 'sleep'));
    chmodSync(join(layer, 'sleep'), 0o4755);
    const spec = rig.spec('', {
      rootfs: { kind: 'overlay', lower: [rig.base, layer], upper: rig.fresh(), work: rig.fresh(), volatile: true },
      args: ['/sleep', seconds],
      user: 'app',
    });
    let code: string | undefined;
    await rig
      .run(spec, { onStarted: ({ pid }) => process.kill(parentOf(pid), 'SIGKILL') })
      .catch((error: unknown) => (code = codeOf(error)));
    assert.is(code, 'runtime-failed');
    await until('the process is gone', () => processesWith(seconds).length === 0);
  });

  test('the death of the supervisor at any moment of the start leaves no process and no mount', async (rig) => {
    const seconds = mark();
    const ids: string[] = [];
    for (let turns = 0; turns < 24; turns++) {
      const spec = rig.spec(`sleep ${seconds}`, { mounts: [{ kind: 'tmpfs', target: '/stub', readonly: false }] });
      ids.push(spec.id);
      let settled = false;
      const run = rig.run(spec).then(
        () => undefined,
        (error: unknown) => codeOf(error),
      );
      void run.finally(() => (settled = true));
      let left = turns * 4;
      await until('there is a supervisor to kill', () => settled || (left-- <= 0 && killSupervisors() > 0));
      assert.is(await run, 'runtime-failed');
    }
    await until('the processes are gone', () => processesWith(seconds).length === 0);
    await rig.output('true');
    for (const id of ids) await groupsGone(id);
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), rig.directory);
  });

  test('a binary that cannot be run is told apart from a container that fails', async (rig) => {
    const runtime = createNativeRuntime({ binaryPath: join(rig.directory, 'none') });
    let code: string | undefined;
    await runtime
      .run(rig.spec('true'), { stdio: { kind: 'pipe', onStdout: () => undefined, onStderr: () => undefined } })
      .catch((error: unknown) => (code = codeOf(error)));
    assert.is(code, 'runtime-unavailable');
  });

  test('the death of the caller ends the container and cleans up', async (rig) => {
    const seconds = mark();
    const spec = rig.spec(`echo up; sleep ${seconds} & sleep ${seconds}`, {
      mounts: [{ kind: 'tmpfs', target: '/stub', readonly: false }],
    });
    const caller = runElsewhere(rig.directory, spec, 'pipe');
    const died = new Promise((resolve) => caller.on('close', resolve));
    caller.stdout.once('data', () => caller.kill('SIGKILL'));
    await died;
    await until('the processes are gone', () => processesWith(seconds).length === 0);
    await until('the groups are gone', () => groupsOf(spec.id).length === 0);
    await until(
      'the stub is gone',
      () => spec.rootfs.kind === 'overlay' && !existsSync(join(spec.rootfs.upper, 'stub')),
    );
  });

  test('a caller that does not read holds the output back but not the kill', async (rig) => {
    const seconds = mark();
    const spec = rig.spec(`yes & sleep ${seconds}`);
    const caller = runElsewhere(rig.directory, spec, 'inherit');
    await until('the container runs', () => processesWith(`sleep ${seconds}`).length > 0);
    caller.kill('SIGKILL');
    await until('the processes are gone', () => processesWith(seconds).length === 0);
    caller.stdout.destroy();
  });

  test('tells when the kernel killed the process for want of memory', async (rig) => {
    const spec = rig.spec('trap "exec tail /dev/zero" USR1; echo up; while :; do sleep 0.01; done');
    let container: RunningContainer | undefined;
    const { exit } = await rig.run(spec, {
      onStarted: (running) => (container = running),
      onStdout: () => {
        const group = groupsOf(spec.id).find(
          (path) => existsSync(join(path, 'memory.limit_in_bytes')) || existsSync(join(path, 'memory.max')),
        );
        if (group === undefined) throw new Error('no memory group');
        const v1 = join(group, 'memory.limit_in_bytes');
        writeFileSync(existsSync(v1) ? v1 : join(group, 'memory.max'), `${16 * 1024 * 1024}`);
        container?.kill('SIGUSR1');
      },
    });
    assert.equal(exit, { code: 137, oomKilled: true });
  });

  test('an error in a callback of the caller kills the container', async (rig) => {
    const seconds = mark();
    let message = '';
    await rig
      .run(rig.spec(`echo up; sleep ${seconds}`), {
        onStdout: () => {
          throw new Error('a bug');
        },
      })
      .catch((error: unknown) => (message = error instanceof Error ? error.message : ''));
    assert.is(message, 'a bug');
    assert.equal(processesWith(seconds), []);
  });
});

/** Runs the container from another Node process, so that this can be killed. */
function runElsewhere(directory: string, spec: ContainerSpec, stdio: 'pipe' | 'inherit'): ReturnType<typeof spawnNode> {
  const file = join(directory, `caller-${spec.id}.json`);
  writeFileSync(file, JSON.stringify(spec));
  return spawnNode(file, stdio);
}

function spawnNode(file: string, stdio: string) {
  return spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'caller.ts'), file, stdio], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
