/** Containers that another OCI runtime makes from tsbuild's description: they are to be what the native runtime's are. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { ContainerSpec, RunningContainer } from '../../src/runtime-native/types.ts';
import { ContainerRig, upperOf } from '../support/container.ts';
import { EXTERNAL_NAMES, externalRig, hasExternal } from '../support/external-runtimes.ts';
import { groupsGone } from './groups.ts';
import { until } from './until.ts';

const test = suite('native runtime: another OCI runtime');
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('SKIPPED: containers need root\n');

let own: ContainerRig;
const rigs = new Map<string, ContainerRig>();
test.before(() => {
  if (isRoot) own = new ContainerRig();
});
test.after(async () => {
  for (const rig of isRoot ? [own, ...rigs.values()] : []) {
    await rig.runtime.close();
    rig.remove();
  }
});

for (const name of EXTERNAL_NAMES) {
  const isHere = isRoot && (await hasExternal(name));
  const on = (title: string, body: (rig: ContainerRig) => Promise<void>): void => {
    if (!isHere) {
      test.skip(`${name}: ${title}`);
      return;
    }
    test(`${name}: ${title}`, async () => {
      const rig = rigs.get(name) ?? (await externalRig(name));
      rigs.set(name, rig);
      await body(rig);
    });
  };
  /** Every line that `script` prints in both. */
  const same = async (rig: ContainerRig, script: string, overrides: Partial<ContainerSpec> = {}): Promise<void> =>
    assert.is(await rig.output(script, overrides), await own.output(script, overrides));

  on('gives the process the same', async (rig) => {
    await same(
      rig,
      'grep -E "^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp|Sig[BIC])" /proc/self/status; id; env | sort; pwd; cat /proc/self/limits /proc/self/oom_score_adj; echo $$; hostname; ls /proc/self/fd | wc -l',
    );
    await same(
      rig,
      'grep -E "^(Uid|Gid|Groups|Cap)" /proc/self/status; umask; env | sort; touch /tmp/x; ls -ln /tmp/x',
      {
        user: '1000:7',
        env: ['PATH=/bin', 'A=1', 'A=2', 'HOME='],
        rlimits: [{ name: 'nofile', soft: 99n, hard: 100n }],
        oomScoreAdj: 321,
        noNewPrivileges: true,
      },
    );
  });

  on('gives it the same devices, mounts and network', async (rig) => {
    await same(
      rig,
      'cd /dev; for f in *; do stat -c "%n %t:%T %a %u:%g %F" $f; done | grep -v -e ^core; for f in fd stdin stdout stderr ptmx; do readlink $f; done',
    );
    // crun covers files with the null device of the machine, others with the container's.
    await same(rig, 'awk "{ print \\$5, \\$9 }" /proc/self/mountinfo | sed s/devtmpfs/tmpfs/ | sort');
    await same(
      rig,
      'cat /proc/keys /proc/timer_list | wc -c; ls -A /proc/acpi /sys/firmware; echo 1 > /proc/sysrq-trigger; echo $?',
    );
    await same(
      rig,
      'ls /sys/class/net; cat /sys/class/net/lo/operstate; ls /sys/fs/cgroup; touch /sys/fs/cgroup/x; echo $?',
    );
    for (const network of ['none', 'host'] as const) await same(rig, 'wc -l < /proc/net/dev', { network });
  });

  on('refuses the same system calls', async (rig) => {
    await same(
      rig,
      'unshare -r true; echo $?; mount -t tmpfs x /tmp; echo $?; dmesg; echo $?; mknod /tmp/n c 1 3; echo $?; cat /tmp/n; echo $?; mknod /tmp/m b 8 0; cat /tmp/m; echo $?',
    );
  });

  on('makes mounts, and removes what they needed', async (rig) => {
    const source = rig.fresh('source');
    writeFileSync(join(source, 'file'), 'content');
    const lower = rig.fresh('lower');
    writeFileSync(join(lower, 'merged'), 'lower');
    const spec = rig.spec(
      'cat /a/b/file /one /over/merged /dev/shm/in/file; touch /a/b/x; echo $?; echo w > /over/new; echo t > /t/x; stat -c %a /t; cat /etc/hosts',
      {
        mounts: [
          { kind: 'bind', source, target: '/a/b', readonly: true, recursive: false },
          { kind: 'bind', source: join(source, 'file'), target: '/one', readonly: true, recursive: false },
          { kind: 'overlay', lower: [lower], upper: rig.fresh(), work: rig.fresh(), target: '/over' },
          { kind: 'bind', source, target: '/dev/shm/in', readonly: true, recursive: false },
          { kind: 'tmpfs', target: '/t', readonly: false, mode: 0o700 },
        ],
        etcFiles: { hosts: join(source, 'file'), readonly: true },
      },
    );
    const { stdout, stderr, exit } = await rig.run(spec);
    assert.equal([stdout, exit.code], ['contentcontentlowercontent1\n700\ncontent', 0], stderr);
    // As with the native runtime, a directory of the image that had a mount point in it is in the layer.
    assert.equal(
      readdirSync(upperOf(spec), { recursive: true }).filter((entry) => !/^(proc|dev|sys)/.test(String(entry))),
      ['etc'],
    );
  });

  on('has nothing of the machine above its root, also with a part of other layers', async (rig) => {
    const lower = rig.fresh('lower');
    mkdirSync(join(lower, 'part'));
    await same(rig, 'ls -di / /.. | sort -u | wc -l; ls /..; ls /proc/1/root/.. | wc -l', {
      mounts: [{ kind: 'overlay', lower: [lower, rig.base], target: '/over', subpath: '/part' }],
    });
  });

  on('makes the working directory as its user, and follows no link out', async (rig) => {
    const spec = rig.spec('pwd; echo x > here', { cwd: '/new/dir', user: '1000' });
    assert.is((await rig.run(spec)).stdout, '/new/dir\n');
    assert.is(statSync(join(upperOf(spec), 'new/dir')).uid, 1000);
    assert.is(await codeOf(rig, rig.spec('true', { cwd: '/proc/self/fd/7' })), 'path-conflict');
    const layer = rig.fresh('links');
    mkdirSync(join(layer, 'l'));
    symlinkSync('/proc/self/fd/7', join(layer, 'l/out'));
    symlinkSync('/dev', join(layer, 'l/dev'));
    const rootfs: ContainerSpec['rootfs'] = {
      kind: 'overlay',
      lower: [rig.base, layer],
      upper: rig.fresh(),
      work: rig.fresh(),
      volatile: true,
    };
    assert.is(await codeOf(rig, rig.spec('true', { rootfs, cwd: '/l/out' })), 'path-conflict');
    for (const target of ['/', '/proc/self', '/dev/null', '/l/dev/shm'])
      assert.is(
        await codeOf(
          rig,
          rig.spec('true', {
            rootfs: { ...rootfs, upper: rig.fresh(), work: rig.fresh() },
            mounts: [
              {
                kind: 'bind',
                source: target === '/dev/null' ? '/etc/passwd' : rig.base,
                target,
                readonly: true,
                recursive: false,
              },
            ],
          }),
        ),
        'path-conflict',
        target,
      );
  });

  on('says what was wrong as the native runtime does', async (rig) => {
    writeFileSync(join(rig.base, 'plain'), 'no program');
    chmodSync(join(rig.base, 'plain'), 0o644);
    const cases: [Partial<ContainerSpec>, string][] = [
      [{ args: ['no-such'] }, 'command-not-found'],
      [{ args: ['/no/such'] }, 'command-not-found'],
      [{ args: ['/plain'] }, 'command-not-executable'],
      [{ args: ['/bin'] }, 'command-not-executable'],
      [{ user: 'nobody-here' }, 'unknown-user'],
      [
        { mounts: [{ kind: 'bind', source: '/no/such', target: '/x', readonly: true, recursive: false }] },
        'run-start-failed',
      ],
    ];
    for (const [overrides, code] of cases)
      assert.is(await codeOf(rig, rig.spec('', { args: ['true'], ...overrides })), code, JSON.stringify(overrides));
    try {
      await rig.run(rig.spec('true', { init: true }));
      assert.unreachable();
    } catch (error) {
      assert.ok(
        error instanceof BuildError && error.code === 'unsupported' && error.message.includes('"--oci-runtime"'),
      );
    }
  });

  on('reports exit codes, signals and output', async (rig) => {
    assert.is((await rig.run(rig.spec('exit 7'))).exit.code, 7);
    assert.is((await rig.run(rig.spec('', { args: ['sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?'] }))).exit.code, 137);
    const { stdout, stderr } = await rig.run(
      rig.spec('echo out > /dev/stdout; echo err > /dev/stderr; seq 1 40000', { user: '1000' }),
    );
    assert.is(stdout, `out\n${Array.from({ length: 40_000 }, (_, i) => `${i + 1}\n`).join('')}`);
    assert.is(stderr, 'err\n');
    let running: RunningContainer | undefined;
    let isUp = false;
    const ended = await rig.run(rig.spec('trap "exit 9" TERM; echo up; while :; do sleep 0.01; done'), {
      onStarted: (container) => {
        running = container;
        if (isUp) container.kill('SIGTERM');
      },
      onStdout: () => {
        isUp = true;
        running?.kill('SIGTERM');
      },
    });
    assert.is(ended.exit.code, 9);
  });

  on('an abort kills everything and leaves nothing', async (rig) => {
    const seconds = `${8_000_000 + process.pid}.${name.length}`;
    const before = readFileSync('/proc/self/mountinfo', 'utf8');
    const abort = new AbortController();
    const spec = rig.spec(`setsid sleep ${seconds} & echo up; sleep ${seconds}`, {
      mounts: [{ kind: 'tmpfs', target: '/stub/deep', readonly: false }],
    });
    try {
      await rig.run(spec, { signal: abort.signal, onStdout: () => abort.abort() });
      assert.unreachable('the run was aborted');
    } catch (error) {
      assert.ok(error instanceof BuildError && error.code === 'cancelled', String(error));
    }
    await until('its processes are gone', () => !processes().some((line) => line.includes(seconds)));
    await groupsGone(spec.id);
    assert.is(readFileSync('/proc/self/mountinfo', 'utf8'), before);
    assert.not.ok(existsSync(join(upperOf(spec), 'stub')));
    assert.not.ok(processes().some((line) => line.includes(spec.id)));
  });

  on('tells a kill for lack of memory', async (rig) => {
    const { exit } = await rig.run(
      rig.spec('tail -c 200m /dev/zero > /dev/null', { resources: { memoryBytes: 64 * 1024 * 1024 } }),
    );
    assert.equal(exit, { code: 137, oomKilled: true });
  });

  on('gives an insecure container everything', async (rig) => {
    await same(
      rig,
      'grep -E "^(Cap|Seccomp:)" /proc/self/status; touch /proc/sys/kernel/hostname; echo $?; ls /dev | grep -v -e ^core; mount -t tmpfs x /tmp; echo $?',
      { insecure: true },
    );
  });
}

async function codeOf(rig: ContainerRig, spec: ContainerSpec): Promise<string> {
  try {
    const { exit } = await rig.run(spec);
    return `exit code ${exit.code}`;
  } catch (error) {
    if (error instanceof BuildError) return error.code;
    throw error;
  }
}

function processes(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : [];
    } catch {
      return [];
    }
  });
}

test.run();
