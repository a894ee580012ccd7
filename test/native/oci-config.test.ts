/** What config.json says, and what of it is not supported. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import type { Config } from './oci-rig.ts';
import { ociSuite } from './oci-rig.ts';

ociSuite('OCI: config.json', (test, rig) => {
  const { config, directory, rootfs, run, runtime } = rig;

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

  test('sets the clocks of a time namespace', () => {
    const value = config('cut -d. -f1 /proc/uptime');
    value.linux['namespaces'] = [...(value.linux['namespaces'] as unknown[]), { type: 'time' }];
    value.linux['timeOffsets'] = { monotonic: { secs: 1000 }, boottime: { secs: 500_000, nanosecs: 7 } };
    const before = Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
    const { stdout, stderr } = run(value);
    const after = Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
    assert.ok(
      Number(stdout) >= Math.floor(before) + 500_000 && Number(stdout) <= after + 500_001,
      `${stdout}${stderr}`,
    );
  });

  test('gives the root the propagation that is asked for', () => {
    const optional = (rootfsPropagation: string | undefined): string => {
      const value = config('grep " / / \\| / ro\\| / rw" /proc/self/mountinfo | head -1');
      if (rootfsPropagation !== undefined) value.linux['rootfsPropagation'] = rootfsPropagation;
      const { stdout, stderr } = run(value);
      const [, fields] = /^(.*) - /.exec(stdout) ?? [];
      assert.ok(fields !== undefined, stderr);
      return /shared:|master:|unbindable/.exec(fields)?.[0] ?? 'private';
    };
    assert.is(optional(undefined), 'private');
    assert.is(optional('private'), 'private');
    assert.is(optional('shared'), 'shared:');
    assert.is(optional('unbindable'), 'unbindable');
    const value = config('true');
    value.linux['rootfsPropagation'] = 'sideways';
    assert.match(run(value).stderr, 'linux.rootfsPropagation');
  });

  test('spec writes a configuration that a container starts with, and replaces none', () => {
    const path = join(directory, 'spec');
    mkdirSync(path);
    assert.is(runtime('spec', '--bundle', path).status, 0);
    assert.match(runtime('spec', '--bundle', path).stderr, 'exists already');
    const value = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as Config;
    value['root'] = { path: rootfs, readonly: true };
    Object.assign(value.process, {
      terminal: false,
      args: ['sh', '-c', 'id -u; ulimit -n; touch /x; grep CapEff /proc/self/status'],
    });
    const { stdout, stderr } = run(value);
    assert.is(stdout, '0\n1024\nCapEff:\t0000000020000420\n', stderr);
    assert.match(stderr, 'Read-only file system');
  });
});
