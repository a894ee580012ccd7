/** The OCI runtime interface of the native binary, on real containers. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { makeBusyboxRootfs } from '../support/busybox-rootfs.ts';

const test = suite('native runtime: the OCI interface');

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Config {
  process: Record<string, unknown>;
  mounts: Record<string, unknown>[];
  linux: Record<string, unknown>;
  [key: string]: unknown;
}

const directory = mkdtempSync(join(tmpdir(), 'tsbuild-oci-'));
const root = join(directory, 'state');
const rootfs = join(directory, 'rootfs');
let sequence = 0;

function runtime(...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(findRuntimeBinary(), ['oci', '--root', root, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

/** A detached command must not hold the pipes of the test. */
function detached(...args: string[]): Result {
  const { status, stderr } = spawnSync(findRuntimeBinary(), ['oci', '--root', root, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 20_000,
  });
  return { status, stdout: '', stderr };
}

const CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_KILL', 'CAP_SETUID', 'CAP_SETGID', 'CAP_MKNOD'];

function config(script: string): Config {
  return {
    ociVersion: '1.2.0',
    root: { path: rootfs },
    hostname: 'oci',
    process: {
      args: ['/bin/sh', '-c', script],
      cwd: '/',
      env: ['PATH=/bin'],
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
    ],
    linux: {
      namespaces: ['mount', 'pid', 'ipc', 'uts', 'network'].map((type) => ({ type })),
      maskedPaths: ['/proc/keys'],
      readonlyPaths: ['/proc/sys'],
    },
  };
}

function bundle(value: Config): string {
  const path = join(directory, `bundle-${++sequence}`);
  mkdirSync(path);
  value.linux['cgroupsPath'] ??= `/tsbuild-test/${process.pid}-${sequence}`;
  writeFileSync(join(path, 'config.json'), JSON.stringify(value));
  return path;
}

function fresh(): string {
  return `c${process.pid}-${++sequence}`;
}

function run(value: Config): Result {
  return runtime('run', '-b', bundle(value), fresh());
}

/** Polls with a deadline only. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`still waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function statusOf(id: string): unknown {
  const state: unknown = JSON.parse(runtime('state', id).stdout);
  return typeof state === 'object' && state !== null && 'status' in state ? state.status : undefined;
}

if (process.getuid?.() !== 0) {
  process.stderr.write('SKIPPED: containers need root\n');
  test('is skipped without root', () => undefined);
} else {
  test.before(() => {
    mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
  });
  test.after(() => {
    for (const id of runtime('list', '-q').stdout.split('\n').filter(Boolean)) runtime('delete', '-f', id);
    rmSync(directory, { recursive: true, force: true });
  });

  test('runs a command and ends with its exit code', () => {
    const { status, stdout, stderr } = run(config('hostname; echo $$; exit 7'));
    assert.equal([status, stdout], [7, 'oci\n1\n'], stderr);
    assert.is(run(config('kill -9 $$; sleep 9 & kill -TERM $$; exit 3')).status, 3, 'process 1 ignores signals');
    assert.is(runtime('list', '-q').stdout, '');
  });

  test('gives the process what config.json says', () => {
    const value = config(
      'id -u; id -g; id -G; umask; pwd; grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status; ulimit -n; cat /proc/self/oom_score_adj; cat /proc/keys | wc -c; echo 1 > /proc/sys/kernel/hostname; cat /proc/sys/net/ipv4/ip_forward; touch /x',
    );
    Object.assign(value.process, {
      cwd: '/tmp/new',
      user: { uid: 1000, gid: 1001, additionalGids: [7, 8], umask: 0o27 },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 99, hard: 100 }],
      oomScoreAdj: 321,
      noNewPrivileges: true,
      capabilities: { bounding: ['CAP_KILL'] },
    });
    Object.assign(value, { root: { path: rootfs, readonly: true } });
    value.linux['sysctl'] = { 'net.ipv4.ip_forward': '1' };
    mkdirSync(join(rootfs, 'tmp/new'), { recursive: true });
    const { stdout, stderr } = run(value);
    assert.equal(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.replace(/\s+/g, ' ')),
      [
        '1000',
        '1001',
        '1001 7 8',
        '0027',
        '/tmp/new',
        'CapEff: 0000000000000000',
        'CapBnd: 0000000000000020',
        'NoNewPrivs: 1',
        '99',
        '321',
        '0',
        '1',
      ],
      stderr,
    );
    assert.match(stderr, 'Read-only file system');
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

  test('names each field that it does not support', () => {
    const cases: [string, (value: Config) => void][] = [
      ['process.apparmorProfile: is not supported', (value) => (value.process['apparmorProfile'] = 'x')],
      ['process.selinuxLabel: is not supported', (value) => (value.process['selinuxLabel'] = 'x')],
      ['process.scheduler: is not supported', (value) => (value.process['scheduler'] = { policy: 'SCHED_FIFO' })],
      ['process.ioPriority: is not supported', (value) => (value.process['ioPriority'] = { class: 'IOPRIO_CLASS_BE' })],
      ['process.execCPUAffinity: is not supported', (value) => (value.process['execCPUAffinity'] = { initial: '0' })],
      ['windows: is not supported', (value) => (value['windows'] = { layerFolders: ['x'] })],
      ['vm: is not supported', (value) => (value['vm'] = { kernel: 'x' })],
      ['linux.mountLabel: is not supported', (value) => (value.linux['mountLabel'] = 'x')],
      ['linux.intelRdt: is not supported', (value) => (value.linux['intelRdt'] = { closID: 'x' })],
      [
        'linux.resources.blockIO.weight: is not supported',
        (value) => (value.linux['resources'] = { blockIO: { weight: 10 } }),
      ],
      [
        'linux.resources.network.classID: is not supported',
        (value) => (value.linux['resources'] = { network: { classID: 1 } }),
      ],
      [
        'linux.seccomp.listenerPath: is not supported',
        (value) => (value.linux['seccomp'] = { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/x' }),
      ],
      [
        '"SCMP_ACT_NOTIFY" is not supported',
        (value) => (value.linux['seccomp'] = { defaultAction: 'SCMP_ACT_NOTIFY' }),
      ],
      [
        'mounts[3].options[0]: "tmpcopyup" is not supported',
        (value) => value.mounts.push({ destination: '/t', type: 'tmpfs', options: ['tmpcopyup'] }),
      ],
      [
        'mounts[3].uidMappings: is not supported',
        (value) => value.mounts.push({ destination: '/t', type: 'tmpfs', uidMappings: [{}] }),
      ],
      [
        'linux.namespaces[5].path: joining a user namespace',
        (value) =>
          (value.linux['namespaces'] = [
            ...(value.linux['namespaces'] as unknown[]),
            { type: 'user', path: '/proc/1/ns/user' },
          ]),
      ],
      [
        'linux.sysctl.kernel.panic: is not a parameter of a namespace',
        (value) => (value.linux['sysctl'] = { 'kernel.panic': '1' }),
      ],
      ['linux.devices[0].path: is not below /dev', (value) => (value.linux['devices'] = [{ path: '/x', type: 'c' }])],
      ['ociVersion: is not a version 1', (value) => (value['ociVersion'] = '2.0.0')],
      ['process.args: is missing', (value) => (value.process['args'] = [])],
      [
        'process.capabilities.bounding[0]: "CAP_X" is not a capability',
        (value) => (value.process['capabilities'] = { bounding: ['CAP_X'] }),
      ],
    ];
    for (const [wanted, change] of cases) {
      const value = config('true');
      change(value);
      const { status, stderr } = run(value);
      assert.is(status, 1, wanted);
      assert.ok(stderr.includes(wanted), `${stderr} has no ${wanted}`);
    }
    const value = config('true');
    Object.assign(value, { unknownProperty: { a: 1 } });
    assert.is(run(value).status, 0, 'unknown properties are ignored');
  });

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

  test('filters system calls as config.json says', () => {
    const value = config('mkdir /dev/shm/a; echo $?; sync; echo $?; echo $(chmod 700 /dev/null 2>&1)');
    value.linux['seccomp'] = {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64'],
      syscalls: [
        { names: ['mkdir', 'mkdirat', 'no_such_call'], action: 'SCMP_ACT_ERRNO', errnoRet: 122 },
        { names: ['chmod', 'fchmodat'], action: 'SCMP_ACT_ERRNO' },
      ],
    };
    const { stdout, stderr } = run(value);
    assert.match(stderr, /uota/, 'errno 122 is the quota');
    assert.match(stdout, /^1\n0\n.*not permitted/);
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

  test('gives groups the limits of config.json, and removes them', () => {
    const value = config('cat /proc/self/cgroup');
    const group = `/tsbuild-test/limits-${process.pid}`;
    Object.assign(value.linux, {
      cgroupsPath: group,
      resources: { pids: { limit: 44 }, devices: [{ allow: false, access: 'rwm' }] },
    });
    const { stdout, stderr, status } = run(value);
    assert.is(status, 0, stderr);
    assert.match(stdout, group);
    assert.not.ok(existsSync(`/sys/fs/cgroup/pids${group}`) || existsSync(`/sys/fs/cgroup${group}`));
  });

  test('the file of the runtime is not what a container can write to', () => {
    const value = config('');
    value.process['args'] = ['/proc/self/exe', '--version'];
    assert.match(run(value).stderr, /exec: .*[Pp]ermission denied/);
    const script = join(rootfs, 'script');
    writeFileSync(script, '#!/proc/self/exe\n', { mode: 0o755 });
    value.process['args'] = ['/script'];
    const before = readFileSync(findRuntimeBinary());
    run(value);
    assert.ok(before.equals(readFileSync(findRuntimeBinary())));
  });
}

test.run();
