import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { RootfsSpec } from '../../src/runtime-native/types.ts';
import { containerSuite } from '../support/container.ts';

async function failure(run: Promise<unknown>): Promise<BuildError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

containerSuite('native runtime: the container', (test) => {
  test('passes on the exit code', async (rig) => {
    assert.equal((await rig.run(rig.spec('exit 0'))).exit, { code: 0, oomKilled: false });
    assert.equal((await rig.run(rig.spec('exit 3'))).exit, { code: 3, oomKilled: false });
    assert.equal((await rig.run(rig.spec('sh -c "kill -TERM \\$\\$"; exit $?'))).exit.code, 143);
  });

  test('reports 128 and the signal when the process itself is killed', async (rig) => {
    const { exit } = await rig.run(rig.spec('sleep 60'), { onStarted: (container) => container.kill('SIGKILL') });
    assert.is(exit.code, 137);
  });

  test('forwards a signal to the process', async (rig) => {
    const spec = rig.spec('trap "echo got it; exit 7" USR1; echo ready; while :; do sleep 0.01; done');
    let kill: (() => void) | undefined;
    const { exit, stdout } = await rig.run(spec, {
      onStarted: (container) => (kill = () => container.kill('SIGUSR1')),
      onStdout: () => kill?.(),
    });
    assert.is(exit.code, 7);
    assert.match(stdout, 'got it');
  });

  test('the first process ignores signals that it has no handler for', async (rig) => {
    assert.is(await rig.output('kill -KILL $$; kill -TERM $$; echo alive'), 'alive');
  });

  test('keeps stdout and stderr apart and delivers all of both', async (rig) => {
    const { stdout, stderr } = await rig.run(rig.spec('seq 1 200000; seq 1 50000 >&2; echo end'));
    assert.is(stdout.length, [...Array(200000).keys()].reduce((sum, i) => sum + String(i + 1).length + 1, 0) + 4);
    assert.ok(stdout.endsWith('\n200000\nend\n'));
    assert.ok(stderr.startsWith('1\n2\n') && stderr.endsWith('\n50000\n'));
  });

  test('has an empty stdin', async (rig) => {
    assert.is(await rig.output('cat | wc -c'), '0');
  });

  test('stdio can be opened again through /dev by any user', async (rig) => {
    const { stdout, stderr } = await rig.run(rig.spec('echo out >/dev/stdout; echo err >/dev/stderr', { user: 'app' }));
    assert.is(stdout, 'out\n');
    assert.is(stderr, 'err\n');
  });

  test('a background process ends with the container', async (rig) => {
    const { stdout } = await rig.run(rig.spec('(sleep 30; echo late) & echo done'));
    assert.is(stdout, 'done\n');
  });

  test('has namespaces of its own', async (rig) => {
    for (const name of ['mnt', 'pid', 'ipc', 'uts', 'net']) {
      assert.is.not(await rig.output(`readlink /proc/self/ns/${name}`), readlinkSync(`/proc/self/ns/${name}`), name);
    }
    assert.is(await rig.output('readlink /proc/self/ns/user'), readlinkSync('/proc/self/ns/user'));
    assert.is(await rig.output('readlink /proc/self/ns/net', { network: 'host' }), readlinkSync('/proc/self/ns/net'));
    assert.is(await rig.output('echo $$'), '1');
    assert.is(await rig.output('hostname', { hostname: 'buildkitsandbox' }), 'buildkitsandbox');
  });

  test('without a network the loopback is up', async (rig) => {
    assert.match(await rig.output('ip addr show lo'), /LOOPBACK,UP[^]*inet 127\.0\.0\.1/);
    assert.is(await rig.output('ip -o link | wc -l'), '1');
  });

  test('drops all capabilities but the default ones', async (rig) => {
    const caps = 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status | tr -d "\\t"';
    assert.equal((await rig.output(caps)).split('\n'), [
      'CapInh:0000000000000000',
      'CapPrm:00000000a80425fb',
      'CapEff:00000000a80425fb',
      'CapBnd:00000000a80425fb',
      'CapAmb:0000000000000000',
      'NoNewPrivs:0',
      'Seccomp:2',
    ]);
    assert.equal((await rig.output(caps, { user: 'app' })).split('\n').slice(0, 5), [
      'CapInh:0000000000000000',
      'CapPrm:0000000000000000',
      'CapEff:0000000000000000',
      'CapBnd:00000000a80425fb',
      'CapAmb:0000000000000000',
    ]);
    assert.match(await rig.output(caps, { noNewPrivileges: true }), 'NoNewPrivs:1');
  });

  test('filters system calls and passes on no state of the caller', async (rig) => {
    const source = rig.compile(join(import.meta.dirname, 'probe.c'));
    const mounts = [{ kind: 'bind', source, target: '/probe', readonly: true, recursive: false } as const];
    const facts = await rig.output('', { args: ['/probe/program'], mounts });
    assert.equal(facts.split('\n'), [
      'fds=0 1 2 ',
      'signals=',
      'clone3=ENOSYS',
      'keyctl=EPERM',
      'add_key=EPERM',
      'socket-inet=ok',
      'socket-unix=ok',
      'socket-alg=EPERM',
      'socket-vsock=EPERM',
      'unshare-user=EPERM',
      'unshare-mount=EPERM',
      'clone-user=EPERM',
      'mount=EPERM',
      'io_uring_setup=EPERM',
      'userfaultfd=EPERM',
      'bpf=EPERM',
      'personality-read=ok',
      'personality-norandomize=EPERM',
      'setns=EPERM',
      'open_by_handle_at=EPERM',
      'unknown=EPERM',
      'chroot=ok',
      'mknod=ok',
      'no-new-privileges=ENODATA',
      'death-signal=9',
      'session=own',
      'umask=022',
      'pid=1',
    ]);
    const user = await rig.output('', { args: ['/probe/program'], mounts, user: 'app' });
    assert.match(user, 'death-signal=9');
    const insecure = await rig.output('', { args: ['/probe/program'], mounts, insecure: true });
    assert.match(insecure, 'mount=ok');
    assert.match(insecure, 'unshare-mount=ok');
  });

  test('an insecure container has all that the runtime has', async (rig) => {
    const status = 'grep -E "^Cap|^Seccomp:" /proc/self/status | tr -d "\\t"';
    const own = /CapPrm:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    for (const user of ['', 'app']) {
      const caps = await rig.output(status, { insecure: true, user });
      assert.equal(caps.split('\n'), [
        ...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:${own}`),
        'Seccomp:0',
      ]);
    }
    const options = await rig.output(
      'awk \'$5 == "/sys" { print $6 }\' /proc/self/mountinfo; ls /dev/fuse /dev/net/tun',
      { insecure: true },
    );
    assert.match(options, /^rw/);
    assert.is(
      await rig.output('cat /proc/self/mountinfo | grep -c -E " /proc/(keys|sys|kcore) " || true', { insecure: true }),
      '0',
    );
  });

  test('finds the command in the PATH of the container', async (rig) => {
    assert.is((await rig.run(rig.spec('', { args: ['true'] }))).exit.code, 0);
    const missing = await failure(rig.run(rig.spec('', { args: ['foo'] })));
    assert.is(missing.code, 'command-not-found');
    assert.is(missing.message, 'exec: "foo": executable file not found in $PATH');
    assert.is(missing.exitStatus, 127);
    const absolute = await failure(rig.run(rig.spec('', { args: ['/no/such'] })));
    assert.is(absolute.code, 'command-not-found');
  });

  test('refuses a command that cannot be executed', async (rig) => {
    for (const [path, reason] of [
      ['/etc', 'is a directory'],
      ['/etc/passwd', 'permission denied'],
      ['/dev/null', 'permission denied'],
    ] as const) {
      const error = await failure(rig.run(rig.spec('', { args: [path] })));
      assert.is(error.code, 'command-not-executable');
      assert.is(error.exitStatus, 126);
      assert.is(error.message, `exec: "${path}": ${reason}`);
    }
  });

  test('tells apart a file of an unknown format and one whose interpreter is missing', async (rig) => {
    const files = rig.fresh('files');
    for (const [name, content] of [
      ['text', 'no program'],
      ['script', '#!/no/such\n'],
    ] as const) {
      writeFileSync(join(files, name), content, { mode: 0o755 });
    }
    const mounts = [{ kind: 'bind', source: files, target: '/files', readonly: true, recursive: false } as const];
    const format = await failure(rig.run(rig.spec('', { args: ['/files/text'], mounts })));
    assert.is(format.message, 'exec: "/files/text": exec format error');
    assert.is(format.exitStatus, 126);
    const interpreter = await failure(rig.run(rig.spec('', { args: ['/files/script'], mounts })));
    assert.is(interpreter.message, 'exec: "/files/script": no such file or directory');
    assert.is(interpreter.exitStatus, 127);
  });

  test('never runs the runtime itself inside', async (rig) => {
    const error = await failure(rig.run(rig.spec('', { args: ['/proc/self/exe', '--version'] })));
    assert.is(error.code, 'command-not-executable');
  });

  test('sets PATH and HOME when they are missing, and the last of equal names wins', async (rig) => {
    assert.equal(
      (
        await rig.output('echo $PATH; echo $HOME', { env: [], args: ['/bin/sh', '-c', 'echo $PATH; echo $HOME'] })
      ).split('\n'),
      ['/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', '/root'],
    );
    assert.is(await rig.output('echo $HOME', { user: 'app' }), '/home/app');
    assert.is(await rig.output('echo $HOME', { user: '4242' }), '/');
    assert.is(await rig.output('echo $HOME', { env: ['PATH=/bin', 'HOME=', 'HOME=/x'] }), '/x');
    assert.is(await rig.output('echo $HOME', { env: ['PATH=/bin', 'HOME='] }), '/root');
    assert.is(
      await rig.output('env | sort', { env: ['PATH=/bin', 'A=1', 'B=2', 'A=3'] }),
      'A=3\nB=2\nHOME=/root\nPATH=/bin\nPWD=/\nSHLVL=1',
    );
  });

  test('looks users up in the container', async (rig) => {
    const ids = async (user: string): Promise<string> => await rig.output('echo $(id -u) $(id -g) $(id -G)', { user });
    assert.is(await ids(''), '0 0 0 10');
    assert.is(await ids('root'), '0 0 0 10');
    assert.is(await ids('app'), '1000 1000 1000 2000');
    assert.is(await ids('1000'), '1000 1000 1000 2000');
    assert.is(await ids('1000:2001'), '1000 2001 2001');
    assert.is(await ids('app:other'), '1000 2001 2001');
    assert.is(await ids('app:'), '1000 1000 1000 2000');
    assert.is(await ids(':other'), '0 2001 2001');
    assert.is(await ids('4242'), '4242 0 0');
    assert.is(await ids('4242:4343'), '4242 4343 4343');
    assert.is((await failure(ids('nobody'))).message, 'unable to find user nobody: no matching entries in passwd file');
    assert.is(
      (await failure(ids('app:nogroup'))).message,
      'unable to find group nogroup: no matching entries in group file',
    );
    assert.is((await failure(ids('2147483648'))).code, 'unknown-user');
    assert.is((await failure(ids('nobody'))).code, 'unknown-user');
  });

  test('reads user files as leniently as Docker', async (rig) => {
    const layer = rig.fresh('users');
    mkdirSync(join(layer, 'etc'));
    writeFileSync(
      join(layer, 'etc/passwd'),
      'short:x:7\n  blanks:x:13:14::/blanks\t\nword:x:many:9\nfirst:x:20:21::/first\nsecond:x:20:22::/second\n',
    );
    writeFileSync(join(layer, 'etc/group'), 'tiny:x:45\nlist:x:46:second, short\n');
    const rootfs = (): RootfsSpec => ({
      kind: 'overlay',
      lower: [rig.base, layer],
      upper: rig.fresh(),
      work: rig.fresh(),
      volatile: true,
    });
    const ids = async (user: string): Promise<string> =>
      await rig.output('echo $(id -u) $(id -g) $(id -G) $HOME', { user, rootfs: rootfs() });
    assert.is(await ids('short'), '7 0 0');
    assert.is(await ids('blanks'), '13 14 14 /blanks');
    assert.is(await ids('word'), '0 9 9');
    assert.is(await ids('second'), '20 22 22 46 /first');
    assert.is(await ids('20:tiny'), '20 45 45 /first');
  });

  test('makes the working directory', async (rig) => {
    assert.is(
      await rig.output('pwd; stat -c "%u:%g %a" . ..', { cwd: '/srv/app/x', user: 'app' }),
      '/srv/app/x\n1000:1000 755\n1000:1000 755',
    );
    assert.is(
      await rig.output('pwd; stat -c "%u:%g %a" .', { cwd: '/srv/app', user: 'app', cwdOwner: 'root' }),
      '/srv/app\n0:0 755',
    );
    const error = await failure(rig.run(rig.spec('true', { cwd: '/etc/passwd' })));
    assert.is(error.code, 'path-conflict');
    assert.match(error.message, 'Cannot use "/etc/passwd" as the working directory');
    assert.is((await failure(rig.run(rig.spec('true', { cwd: '/proc/self/fd/0' })))).code, 'path-conflict');
  });

  test('sets resource limits, and only those', async (rig) => {
    const limits = {
      rlimits: [
        { name: 'nofile', soft: 111n, hard: 222n },
        { name: 'core', soft: 0n, hard: -1n },
      ],
    };
    assert.is(await rig.output('ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc', limits), '111\n222\n0\nunlimited');
    assert.is(
      (await failure(rig.run(rig.spec('true', { rlimits: [{ name: 'bogus', soft: 1n, hard: 1n }] })))).code,
      'runtime-failed',
    );
  });
});
