/** OCI bundles with what Docker gives a container, for `tsbuild runtime` and, to compare with, runc. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerRig } from '../../support/container.ts';
import type { Job } from './runners.ts';

/** docs/runtime.md has the lists. */
const CAPABILITIES = (
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP ' +
  'NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);
const MASKED = ['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'sched_debug', 'scsi', 'timer_list'];
const READONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};
const TABLE = join(import.meta.dirname, '../../../src/runtime-native/c/seccomp_allowed.inc');

/** Docker's profile, as a field of config.json: what is not named gives EPERM. */
function seccomp(): unknown {
  const allow = 'SCMP_ACT_ALLOW';
  const names = [...readFileSync(TABLE, 'utf8').matchAll(/^ALLOW\((\w+)\)$/gm)].map(([, name]) => name);
  const when = (name: string, op: string, value: number, valueTwo?: number): unknown => ({
    names: [name],
    action: allow,
    args: [{ index: 0, value, op, ...(valueTwo !== undefined && { valueTwo }) }],
  });
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: ARCHITECTURES[process.arch],
    syscalls: [
      { names, action: allow },
      when('socket', 'SCMP_CMP_LT', 38),
      when('socket', 'SCMP_CMP_EQ', 39),
      when('socket', 'SCMP_CMP_GT', 40),
      ...[0, 8, 0x20000, 0x20008, 0xffffffff].map((value) => when('personality', 'SCMP_CMP_EQ', value)),
      when('clone', 'SCMP_CMP_MASKED_EQ', 0x7e020000, 0),
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
    ],
  };
}

export interface BundleOptions {
  readonly args: readonly string[];
  readonly probe: string;
  readonly uid: number;
  readonly filter: boolean;
}

export interface BundleConfig {
  process: Record<string, unknown>;
  mounts: Record<string, unknown>[];
  linux: Record<string, unknown>;
  [key: string]: unknown;
}

export function bundleConfig({ args, probe, uid, filter }: BundleOptions): BundleConfig {
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
      maskedPaths: [...MASKED.map((name) => `/proc/${name}`), '/sys/firmware', '/sys/devices/virtual/powercap'],
      readonlyPaths: READONLY.map((name) => `/proc/${name}`),
      ...(filter && { seccomp: seccomp() }),
    },
  };
}

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let sequence = 0;

/** A runtime with runc's command line, and bundles on the base layer. */
export class OciRuntime {
  private readonly rig: ContainerRig;
  private readonly command: readonly string[];
  private readonly state: string;

  constructor(rig: ContainerRig, command: readonly string[]) {
    this.rig = rig;
    this.command = command;
    this.state = rig.fresh('state');
  }

  call(...args: readonly string[]): CommandResult {
    return this.spawn('pipe', args);
  }

  /** For commands whose container would hold the pipe open. */
  detached(...args: readonly string[]): CommandResult {
    return this.spawn('ignore', args);
  }

  id(): string {
    return `escape-${process.pid}-${++sequence}`;
  }

  bundle(config: unknown): string {
    const bundle = this.rig.fresh('bundle');
    mkdirSync(join(bundle, 'rootfs'));
    execFileSync('cp', ['-a', `${this.rig.base}/.`, join(bundle, 'rootfs')]);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
    return bundle;
  }

  /** The file in which `exec` finds what it executes. */
  process(config: BundleConfig): string {
    const file = join(this.rig.fresh('process'), 'process.json');
    writeFileSync(file, JSON.stringify(config.process));
    return file;
  }

  private spawn(stdout: 'pipe' | 'ignore', args: readonly string[]): CommandResult {
    const [program = '', ...before] = this.command;
    const result = spawnSync(program, [...before, '--root', this.state, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', stdout, stdout],
      timeout: 60_000,
    });
    return { status: result.status, stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
  }
}

export function uidOf({ user }: Job): number {
  return user === undefined ? 0 : Number(user);
}
