/** The command line of create and run: hooks, terminals, descriptors. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { ociSuite } from './oci-rig.ts';
import { until } from './until.ts';

ociSuite('OCI: create and run', (test, rig) => {
  const { bundle, config, detached, directory, fresh, root, rootfs, run, runtime } = rig;

  test('refuses flags that it does not have', () => {
    const path = bundle(config('true'));
    assert.match(runtime('create', '-b', path, '--no-pivot', fresh()).stderr, 'not supported');
    assert.match(runtime('--systemd-cgroup', 'list').stderr, 'not supported');
    assert.match(runtime('run', '--bogus', fresh()).stderr, 'unknown flag "--bogus"');
    assert.match(runtime('run', '-b', path, '../x').stderr, 'invalid container id');
    const log = join(directory, 'log.json');
    assert.is(runtime('--log', log, '--log-format', 'json', 'state', 'none').status, 1);
    const line: unknown = JSON.parse(readFileSync(log, 'utf8'));
    assert.ok(
      typeof line === 'object' && line !== null && 'msg' in line && line.msg === 'container "none" does not exist',
    );
  });

  test('runs the hooks in their order, with the state on their input', () => {
    const value = config('echo command >> /hooks');
    const file = join(rootfs, 'hooks');
    rmSync(file, { force: true });
    const hook = (name: string, target: string): unknown => ({
      path: '/bin/sh',
      args: [
        'sh',
        '-c',
        `read state; case $state in *'"id":"'*'"pid":'[1-9]*|*stopped*) echo ${name} >> ${target};; esac`,
      ],
      env: ['PATH=/bin:/usr/bin'],
    });
    value['hooks'] = Object.fromEntries(
      ['poststop', 'poststart', 'startContainer', 'createContainer', 'createRuntime', 'prestart'].map((name) => [
        name,
        [hook(name, name === 'startContainer' ? '/hooks' : file)],
      ]),
    );
    const result = run(value);
    assert.is(result.status, 0, result.stderr);
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    assert.equal(
      lines.filter((line) => line !== 'poststart' && line !== 'command'),
      ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststop'],
    );
    assert.equal(lines.slice(0, 4), ['prestart', 'createRuntime', 'createContainer', 'startContainer']);
    assert.equal(lines.slice(4, 6).sort(), ['command', 'poststart']);

    const slow = config('true');
    slow['hooks'] = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '1000'], timeout: 1 }] };
    const failed = run(slow);
    assert.is(failed.status, 1);
    assert.match(failed.stderr, 'hook failed: /bin/sleep');
    assert.is(runtime('list', '-q').stdout, '', 'what was made is taken back');
  });

  test('shows hooks before the pivot the mounts below the root', () => {
    const value = config('true');
    const seen = join(directory, 'seen');
    value['hooks'] = {
      createContainer: [
        {
          path: '/bin/sh',
          args: ['sh', '-c', `ls ${rootfs}/proc/self ${rootfs}/dev > ${seen}`],
          env: ['PATH=/bin:/usr/bin'],
        },
      ],
    };
    assert.is(run(value).status, 0);
    assert.match(readFileSync(seen, 'utf8'), /urandom[\s\S]*oom_score_adj/);
  });

  test('sends the terminal to the console socket', async () => {
    const path = join(directory, 'console');
    const value = config('tty; stty size < /dev/console; exec sleep 1000');
    Object.assign(value.process, { terminal: true, consoleSize: { height: 33, width: 77 } });
    // Not read before the end: Node would close the terminal that comes with the first bytes.
    const connected = new Promise<Socket>((resolve) => {
      const server = createServer({ pauseOnConnect: true }, (socket) => {
        server.close();
        resolve(socket);
      });
      server.listen(path);
    });
    const at = bundle(value);
    assert.match(detached('create', '-b', at, fresh()).stderr, 'needs the flag "--console-socket"');
    const id = fresh();
    const child = spawn(
      findRuntimeBinary(),
      ['oci', '--root', root, 'create', '-b', at, '--console-socket', path, id],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const closed = new Promise((resolve) => child.on('close', resolve));
    const socket = await connected;
    assert.is(await closed, 0);
    const received = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.resume();
    assert.is(await received, '/dev/ptmx');
    socket.destroy();
    runtime('delete', '-f', id);
  });

  test('leaves nothing open to the command but stdio and what is preserved', () => {
    const path = bundle(config('ls /proc/self/fd'));
    const shell = `exec 3< /dev/null 4< / ; exec "$0" oci --root ${root} run -b ${path} "$@"`;
    const open = (...args: string[]): string[] =>
      spawnSync('/bin/sh', ['-c', shell, findRuntimeBinary(), ...args], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n');
    // The last one is the directory that ls reads.
    assert.equal(open(fresh()), ['0', '1', '2', '3']);
    assert.equal(open('--preserve-fds', '1', fresh()), ['0', '1', '2', '3', '4']);
  });

  test('gives the container a session keyring of its own, unless told not to', async () => {
    const value = config('cat /proc/keys');
    value.linux['maskedPaths'] = [];
    const sessions = (text: string): string[] =>
      [...text.matchAll(/^(\S+) .* keyring +_ses/gm)].map(([, number = '']) => number);
    /** How many there are that the machine did not have before; other containers may add some. */
    const added = (...flags: string[]): number => {
      const before = sessions(readFileSync('/proc/keys', 'utf8'));
      const { stdout } = runtime('run', ...flags, '-b', bundle(value), fresh());
      return sessions(stdout).filter((number) => !before.includes(number)).length;
    };
    assert.ok(added() >= 1);
    await until('no keyring is added', () => added('--no-new-keyring') === 0);
  });
});
