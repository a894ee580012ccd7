/**
 * Where attempts are made. A runner takes a command and gives back what it printed; which runners there are is the one place that knows
 * how a container is started, so that the same table can be judged in another kind of container.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerSpec } from '../../../src/runtime-native/types.ts';
import type { ContainerRig } from '../../support/container.ts';

/** What an attempt is made with. */
export interface Job {
  readonly args: readonly string[];
  /** A directory of the host that is at /probe, read-only. */
  readonly probe: string;
  readonly user?: string;
}

export interface EscapeRunner {
  readonly name: string;
  /** Refusals that are as good as those of the table in this kind of container. */
  readonly otherRefusals: ReadonlySet<string>;
  /** Undefined where this runner cannot run on this machine. */
  run(job: Job): Promise<string | undefined>;
}

/** The default container of the native runtime; `name` and `overrides` make another kind of it. */
export function nativeRunner(
  rig: ContainerRig,
  options: {
    readonly name?: string;
    readonly overrides?: Partial<ContainerSpec>;
    readonly otherRefusals?: ReadonlySet<string>;
  } = {},
): EscapeRunner {
  return {
    name: options.name ?? 'tsbuild',
    otherRefusals: options.otherRefusals ?? new Set(),
    run: ({ args, probe, user }) =>
      rig.output('', {
        args,
        mounts: [{ kind: 'bind', source: probe, target: '/probe', readonly: true, recursive: false }],
        ...(user !== undefined && { user }),
        ...options.overrides,
      }),
  };
}

/** The kinds of container in which nothing may succeed: a new kind is judged by being listed here. */
export function judgedRunners(rig: ContainerRig): readonly EscapeRunner[] {
  return [nativeRunner(rig), nativeRunner(rig, { name: 'no-new-privileges', overrides: { noNewPrivileges: true } })];
}

/** What Docker gives: docs/runtime.md. */
const CAPABILITIES = (
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP ' +
  'NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);
const MASKED = ['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'sched_debug', 'scsi', 'timer_list'];
const READONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];

/**
 * runc with the capabilities and masks of Docker, and without a filter of system calls: what only a filter refuses is granted here, which
 * shows that the attempt is a real one.
 */
export function runcRunner(rig: ContainerRig): EscapeRunner {
  return {
    name: 'runc, no filter',
    otherRefusals: new Set(),
    async run({ args, probe, user }) {
      const bundle = rig.fresh('bundle');
      const made = spawnSync('runc', ['spec', '--bundle', bundle], { encoding: 'utf8' });
      if (made.error !== undefined) return undefined;
      const root = join(bundle, 'rootfs');
      mkdirSync(root);
      spawnSync('cp', ['-a', `${rig.base}/.`, root]);
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(runcConfig(args, probe, user === 'app' ? 1000 : 0)));
      const state = rig.fresh('runc');
      const id = `escape-${process.pid}`;
      const result = spawnSync('runc', ['--root', state, 'run', '--bundle', bundle, id], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      if (result.status !== 0) process.stderr.write(`runc cannot compare: ${result.stderr}\n`);
      return result.status === 0 ? result.stdout.trimEnd() : undefined;
    },
  };
}

function runcConfig(args: readonly string[], probe: string, uid: number): unknown {
  const quiet = ['nosuid', 'noexec', 'nodev'];
  const sets = uid === 0 ? CAPABILITIES : [];
  return {
    ociVersion: '1.0.2',
    hostname: 'box',
    root: { path: 'rootfs', readonly: false },
    process: {
      terminal: false,
      user: { uid, gid: uid },
      args,
      env: ['PATH=/bin'],
      cwd: '/',
      noNewPrivileges: false,
      capabilities: { bounding: CAPABILITIES, effective: sets, permitted: sets },
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, 'ro'] },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...quiet, 'ro'] },
      { destination: '/probe', type: 'bind', source: probe, options: ['bind', 'ro'] },
    ],
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      maskedPaths: [...MASKED.map((name) => `/proc/${name}`), '/sys/firmware'],
      readonlyPaths: READONLY.map((name) => `/proc/${name}`),
    },
  };
}
