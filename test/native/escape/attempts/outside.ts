/** Attempts to reach what runs outside: processes, sockets, keyrings, shared memory and names of the machine. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { BuildError } from '../../../../src/core/errors.ts';
import { findRuntimeBinary } from '../../../../src/runtime-native/binary.ts';
import type { MountSpec, RunningContainer } from '../../../../src/runtime-native/types.ts';
import type { Group, RigAttempt } from './group.ts';
import { refused } from './group.ts';

function bind(source: string, target: string, readonly = true): MountSpec {
  return { kind: 'bind', source, target, readonly, recursive: false };
}

const TOOL = join(import.meta.dirname, '../tool.c');

export const OUTSIDE: readonly Group<RigAttempt>[] = [
  refused(
    'the pid namespace: what is outside has no number',
    'no signal leaves the container, not even to everyone',
    async (rig) => {
      const canary = spawn('sleep', ['1000'], { stdio: 'ignore' });
      try {
        // Its pid is also one of the container when another process of the test has the same; none has so many.
        const script = `kill -9 ${canary.pid}; kill -9 -${canary.pid}; (trap "" TERM; kill -TERM -1); kill -9 -1; echo survived`;
        const { stdout } = await rig.run(rig.spec(script));
        assert.is(stdout, 'survived\n');
        assert.is(canary.exitCode, null);
        assert.is(canary.signalCode, null);
        assert.ok(existsSync(`/proc/${canary.pid}`));
      } finally {
        canary.kill('SIGKILL');
      }
    },
  ),

  refused('the pid namespace: what is outside has no number', 'only its own processes are seen', async (rig) => {
    const seen = await rig.output('cd /proc; for p in [0-9]*; do cat $p/comm; done');
    assert.equal(
      seen.split('\n').filter((name) => name !== 'sh' && name !== 'cat'),
      [],
    );
    // The numbers of a namespace above are not told: PPid of the first process, and all of NSpid.
    assert.is(await rig.output('grep -E "^(PPid|NSpid)" /proc/1/status | tr -d "\\t"'), 'PPid:0\nNSpid:1');
  }),

  refused(
    'the network namespace',
    'abstract sockets of the host cannot be reached without its network',
    async (rig) => {
      const name = `tsbuild-escape-${process.pid}`;
      const program = rig.compile(TOOL);
      const server = spawn(join(program, 'program'), ['listen', name], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((resolve) => server.stdout.once('data', resolve));
      try {
        const attempt = (network: 'none' | 'host'): Promise<string> =>
          rig.output('', { args: ['/tool/program', 'connect', name], mounts: [bind(program, '/tool')], network });
        assert.is(await attempt('none'), 'ECONNREFUSED');
        assert.is(await attempt('host'), 'connected', 'the attempt is a real one');
      } finally {
        server.kill('SIGKILL');
      }
    },
  ),

  refused(
    'the network namespace',
    'no port, route or interface of the host is there without its network',
    async (rig) => {
      const server = createServer((socket) => socket.end('host'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const address = server.address();
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        const script = `nc -w 5 127.0.0.1 ${port} </dev/null || echo refused; wc -l </proc/net/route; wc -l </proc/net/unix`;
        assert.equal((await rig.output(script)).split('\n'), ['refused', '1', '1']);
        assert.match(await rig.output(script, { network: 'host' }), 'host');
      } finally {
        server.close();
      }
    },
  ),

  refused('the ipc namespace', 'shared memory and message queues of the host are not its own', async (rig) => {
    const made = /id: (\d+)/.exec(execFileSync('ipcmk', ['-M', '4096', '-p', '0666'], { encoding: 'utf8' }))?.[1];
    assert.ok(made);
    try {
      assert.is(await rig.output('ipcs -m | grep -c "^0x" || true'), '0');
      assert.is(await rig.output('wc -l </proc/sysvipc/shm'), '1');
      assert.is(await rig.output('echo x >/dev/mqueue/escape 2>/dev/null; ls /dev/mqueue | wc -l'), '1');
      assert.is(await rig.output('ls /dev/mqueue | wc -l'), '0', 'nor those of another container');
    } finally {
      spawnSync('ipcrm', ['-m', made]);
    }
  }),

  refused('a /dev/shm of its own', 'shared memory of another container and of the host in /dev/shm', async (rig) => {
    const name = `tsbuild-escape-${process.pid}`;
    const [shared, host] = [rig.fresh('shared'), join('/dev/shm', name)];
    const mounts = [bind(shared, '/shared', false)];
    const wait = (file: string): string => `until [ -e /shared/${file} ]; do sleep 0.02; done`;
    writeFileSync(host, 'of the host');
    try {
      // Both run until each has looked.
      const script = (own: string, other: string): string =>
        `echo ${own} > /dev/shm/${own}; touch /shared/${own}; ${wait(other)}; ls /dev/shm; touch /shared/${own}-looked; ${wait(`${other}-looked`)}`;
      const seen = await Promise.all([
        rig.output(script('one', 'two'), { mounts }),
        rig.output(script('two', 'one'), { mounts }),
      ]);
      assert.equal(seen, ['one', 'two']);
      const found = await rig.output(`cat /dev/shm/${name}`, { mounts: [bind('/dev/shm', '/dev/shm')] });
      assert.is(found, 'of the host', 'the attempt is a real one');
    } finally {
      rmSync(host, { force: true });
    }
  }),

  refused('a session keyring of its own', 'the session keyring is a new one', async (rig) => {
    const program = rig.compile(TOOL);
    // Only an insecure container may ask for it.
    const ask = (): Promise<string> =>
      rig.output('', { args: ['/tool/program', 'session'], mounts: [bind(program, '/tool')], insecure: true });
    const keyrings = [
      await ask(),
      await ask(),
      execFileSync(join(program, 'program'), ['session'], { encoding: 'utf8' }),
    ];
    assert.is(new Set(keyrings).size, 3, keyrings.join(' '));
    assert.ok(keyrings.slice(0, 2).every((id) => Number(id) > 0));
  }),

  refused(
    'the environment, which is only what is asked for',
    'nothing of the environment of the caller gets in',
    async (rig) => {
      process.env['TSBUILD_ESCAPE_CANARY'] = 'leaked';
      try {
        const all = await rig.output('cat /proc/*/environ /proc/*/cmdline | tr "\\0" "\\n"');
        assert.not.match(all, 'leaked');
        assert.not.match(all, rig.directory);
      } finally {
        delete process.env['TSBUILD_ESCAPE_CANARY'];
      }
    },
  ),

  refused(
    'the bounding set',
    'a program with the set-user-ID bit gains no more than root has in the container',
    async (rig) => {
      const tools = rig.fresh('tools');
      const program = rig.compile(TOOL);
      execFileSync('cp', [join(program, 'program'), join(tools, 'suid')]);
      execFileSync('chmod', ['4755', join(tools, 'suid')]);
      const rights = (noNewPrivileges: boolean): Promise<string> =>
        rig.output('', {
          args: ['/tools/suid', 'rights'],
          mounts: [bind(tools, '/tools')],
          user: 'app',
          noNewPrivileges,
        });
      assert.is(await rights(false), 'euid=0 effective=00000000a80425fb');
      assert.is(await rights(true), 'euid=1000 effective=0000000000000000');
    },
  ),

  refused(
    'the rule for devices of the control group, whatever nodes are made',
    'a device made by the container works nowhere outside of the rule',
    async (rig) => {
      const shared = rig.fresh('shared');
      // The node is real on the host, where it is worth what the host's rights are; a second container has no more than the first.
      await rig.output('mknod /shared/mem c 1 1; chmod 666 /shared/mem', { mounts: [bind(shared, '/shared', false)] });
      const { stdout, stderr } = await rig.run(
        rig.spec('head -c 1 /shared/mem && echo read', { mounts: [bind(shared, '/shared')] }),
      );
      assert.is(stdout, '');
      assert.match(stderr, 'Operation not permitted');
    },
  ),

  refused(
    'the namespaces, and a root that is a mount of its own',
    'namespaces of the container are not those of the host',
    async (rig) => {
      for (const name of ['mnt', 'pid', 'ipc', 'uts', 'net'])
        assert.is.not(await rig.output(`readlink /proc/1/ns/${name}`), readlinkSync(`/proc/self/ns/${name}`), name);
    },
  ),

  refused(
    'the pid namespace, which ends with its first process',
    'a fork bomb and open files end with the container',
    async (rig) => {
      const seconds = `8${process.pid}.77`;
      await rig.output(`for i in $(seq 50); do (setsid sleep ${seconds} &) ; done; echo done`);
      const left = spawnSync('pgrep', ['-f', `sleep ${seconds}`], { encoding: 'utf8' });
      assert.is(left.stdout, '');
    },
  ),

  refused(
    'the runtime, which is not executed by name and runs from sealed memory (CVE-2019-5736)',
    'the file of the runtime cannot be run by name, and what is run of it cannot be written',
    async (rig) => {
      const path = findRuntimeBinary();
      const before = readFileSync(path);
      const scripts = rig.fresh('scripts');
      // CVE-2019-5736: an entry point or an interpreter that is the runtime, whose file is then opened again for writing.
      writeFileSync(join(scripts, 'interpreted'), '#!/proc/self/exe\n', { mode: 0o755 });
      const result = async (command: string): Promise<unknown> => {
        try {
          return (await rig.run(rig.spec('', { args: [command], mounts: [bind(scripts, '/scripts')] }))).exit.code;
        } catch (error) {
          return error instanceof BuildError ? error.code : error;
        }
      };
      for (const command of ['/proc/self/exe', '/proc/thread-self/exe', '/proc/1/exe'])
        assert.is(await result(command), 'command-not-executable', command);
      // By an interpreter the kernel runs it, as a command without arguments that it knows: it ends at once...
      assert.is(await result('/scripts/interpreted'), 2);
      // ...and what ran is a sealed copy in memory, not the file.
      let links: string[] = [];
      let container: RunningContainer | undefined;
      await rig.run(rig.spec('echo up; while :; do sleep 0.01; done'), {
        onStarted: (running) => (container = running),
        onStdout: () => {
          const parent = /\nPPid:\s*(\d+)/.exec(readFileSync(`/proc/${container?.pid}/status`, 'utf8'))?.[1];
          links = [readlinkSync(`/proc/${container?.pid}/exe`), readlinkSync(`/proc/${parent}/exe`)];
          container?.kill('SIGKILL');
        },
      });
      assert.equal(links, ['/bin/busybox', '/memfd:tsbuild-runtime (deleted)']);
      assert.ok(before.equals(readFileSync(path)));
    },
  ),
];
