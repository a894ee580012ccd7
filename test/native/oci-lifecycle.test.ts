/** The life of an OCI container: create, start, state, kill, pause, delete. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { ociSuite } from './oci-rig.ts';
import { until } from './until.ts';

ociSuite('OCI: the life of a container', (test, rig) => {
  const { bundle, config, detached, directory, fresh, root, rootfs, run, running, runtime, statusOf } = rig;

  test('runs a command and ends with its exit code', () => {
    const { status, stdout, stderr } = run(config('hostname; echo $$; exit 7'));
    assert.equal([status, stdout], [7, 'oci\n1\n'], stderr);
    assert.is(run(config('kill -9 $$; sleep 9 & kill -TERM $$; exit 3')).status, 3, 'process 1 ignores signals');
    assert.is(runtime('list', '-q').stdout, '');
  });

  test('creates, starts, tells, kills and deletes', async () => {
    const id = fresh();
    const marker = join(rootfs, `started-${id}`);
    const path = bundle(config(`echo > /started-${id}; exec sleep 1000`));
    const pidFile = join(directory, 'pid');
    assert.is(detached('create', '--bundle', path, '--pid-file', pidFile, id).status, 0);
    assert.is(statusOf(id), 'created');
    assert.not.ok(existsSync(marker), 'the command waits for start');
    assert.match(readFileSync(`/proc/${readFileSync(pidFile, 'utf8')}/status`, 'utf8'), /^NSpid:\s+\d+\s+1$/m);
    assert.match(runtime('create', '-b', path, id).stderr, 'exists already');
    assert.match(runtime('delete', id).stderr, 'not stopped but created');
    assert.is(runtime('start', id).status, 0);
    await until('the command runs', () => existsSync(marker));
    assert.is(statusOf(id), 'running');
    assert.match(runtime('start', id).stderr, 'it is running');
    assert.match(runtime('delete', id).stderr, 'not stopped but running');
    assert.match(runtime('list', '-f', 'json').stdout, `"id":"${id}"`);
    assert.equal(JSON.parse(runtime('ps', '-f', 'json', id).stdout), [Number(readFileSync(pidFile, 'utf8'))]);
    assert.is(runtime('kill', id, 'SIGKILL').status, 0);
    await until('it has ended', () => statusOf(id) === 'stopped');
    assert.match(runtime('kill', id, 'TERM').stderr, 'stopped');
    assert.match(runtime('start', id).stderr, 'it is stopped');
    assert.is(runtime('delete', id).status, 0);
    assert.match(runtime('state', id).stderr, 'does not exist');
    assert.not.ok(existsSync(join(root, id)));
  });

  test('lets one of many starts win', async () => {
    const id = fresh();
    detached('create', '-b', bundle(config('exec sleep 1000')), id);
    const codes = await Promise.all(
      Array.from(
        { length: 6 },
        () =>
          new Promise((resolve) => {
            spawn(findRuntimeBinary(), ['oci', '--root', root, 'start', id], { stdio: 'ignore' }).on('close', resolve);
          }),
      ),
    );
    assert.equal(codes.filter((code) => code === 0).length, 1, String(codes));
    assert.is(runtime('delete', '--force', id).status, 0);
    assert.is(runtime('delete', '--force', id).status, 0, 'one that is gone is no failure with --force');
  });

  test('pauses and resumes, and a kill ends what is paused', async () => {
    const file = join(rootfs, `count-${process.pid}`);
    const id = running(`while :; do echo x >> /count-${process.pid}; sleep 0.01; done`);
    const lines = (): number => (existsSync(file) ? readFileSync(file, 'utf8').length : 0);
    await until('it counts', () => lines() > 0);
    assert.match(runtime('resume', id).stderr, 'it is running');
    assert.is(runtime('pause', id).status, 0);
    assert.is(statusOf(id), 'paused');
    const pid = Number(JSON.parse(runtime('state', id).stdout).pid);
    const ticks = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 17).join(' ');
    const [before, used] = [lines(), ticks()];
    assert.match(runtime('pause', id).stderr, 'it is paused');
    assert.match(runtime('exec', id, 'true').stderr, 'it is paused');
    assert.equal([lines(), ticks()], [before, used]);
    assert.is(runtime('resume', id).status, 0);
    await until('it goes on', () => lines() > before);
    runtime('pause', id);
    assert.is(runtime('kill', id, 'KILL').status, 0);
    await until('it has ended', () => statusOf(id) === 'stopped');
    assert.is(runtime('delete', id).status, 0);
    const other = running();
    runtime('pause', other);
    assert.is(runtime('delete', '--force', other).status, 0);
  });

  test('kill --all reaches every process, also without a pid namespace', async () => {
    const mark = `${5_000_000 + process.pid}`;
    const id = running(`setsid sleep ${mark} & setsid sleep ${mark} & exec sleep ${mark}`, (value) => {
      value.linux['namespaces'] = ['mount', 'ipc', 'uts'].map((type) => ({ type }));
    });
    const pids = (): number[] => JSON.parse(runtime('ps', '-f', 'json', id).stdout);
    await until('all are there', () => pids().length === 3);
    assert.is(runtime('kill', '--all', id, 'KILL').status, 0);
    await until('all are gone', () => pids().length === 0);
    await until('it has ended', () => statusOf(id) === 'stopped');
    assert.is(runtime('delete', id).status, 0);
  });
});
