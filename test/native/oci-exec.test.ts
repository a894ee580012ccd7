/** One more process in an OCI container. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { ociSuite } from './oci-rig.ts';

ociSuite('OCI: exec', (test, rig) => {
  const { bundle, config, detached, directory, fresh, root, running, runtime } = rig;

  test('executes in a running container, in all its namespaces and groups', () => {
    const id = fresh();
    const path = bundle(config('exec sleep 1000'));
    assert.is(detached('run', '-d', '-b', path, id).status, 0);
    const script =
      'for n in mnt pid net ipc uts; do [ "$(readlink /proc/self/ns/$n)" = "$(readlink /proc/1/ns/$n)" ] || echo $n; done; cat /proc/self/cgroup > /dev/own; cmp /dev/own /proc/1/cgroup; echo $A; pwd; id -u; ls /proc/self/fd | wc -l; exit 5';
    const result = runtime('exec', '-e', 'A=b', '--cwd', '/bin', '-u', '0:0', id, 'sh', '-c', script);
    assert.equal([result.status, result.stdout.trim().split('\n')], [5, ['b', '/bin', '0', '4']], result.stderr);
    const file = join(directory, 'process.json');
    writeFileSync(
      file,
      JSON.stringify({
        args: ['sh', '-c', 'grep CapEff /proc/self/status'],
        cwd: '/',
        env: ['PATH=/bin'],
        user: { uid: 0, gid: 0 },
      }),
    );
    assert.equal(runtime('exec', '--process', file, id).stdout, 'CapEff:\t0000000000000000\n');
    assert.is(runtime('exec', id, 'no-such').status, 127);
    runtime('kill', id, 'KILL');
    runtime('delete', '-f', id);
  });

  test('exec --tty gives the process a terminal of the container', () => {
    const id = running();
    const { status, stdout, stderr } = runtime(
      'exec',
      '--tty',
      id,
      'sh',
      '-c',
      'tty; test -t 0 && test -t 1 && echo both; exit 6',
    );
    assert.equal([status, stdout], [6, '/dev/pts/0\r\nboth\r\n'], stderr);
    assert.match(runtime('exec', '--tty', '--detach', id, 'true').stderr, '"--console-socket"');
    assert.is(runtime('delete', '-f', id).status, 0);
  });

  test('exec --preserve-fds hands descriptors on, and no others', () => {
    const id = running();
    const shell = `exec 3< /dev/null 4< / 5< / ; exec "$0" oci --root ${root} exec "$@"`;
    const open = (...args: string[]): string[] =>
      spawnSync('/bin/sh', ['-c', shell, findRuntimeBinary(), ...args, id, 'ls', '/proc/self/fd'], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n');
    assert.equal(open(), ['0', '1', '2', '3']);
    assert.equal(open('--preserve-fds', '1'), ['0', '1', '2', '3', '4']);
    assert.match(runtime('exec', '--preserve-fds', '40', id, 'true').stderr, 'is not open');
    assert.is(runtime('delete', '-f', id).status, 0);
  });
});
