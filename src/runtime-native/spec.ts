/**
 * A container's description as the native binary reads it: `TSBSPEC1`, then records of a key size (u16), a value size (u32), both
 * little endian, the key, the value and a NUL; the last record is `end`. c/spec.c knows the keys and checks every value again.
 */
import type { Snapshotter } from '../core/snapshotter.ts';
import { BuildError } from '../core/errors.ts';
import { distinctLayers } from './distinct-layers.ts';
import type { ExternalRuntime } from './external.ts';
import type { BridgeConfig, ContainerResources, ContainerSpec, MountSpec, PublishedPort, RootfsSpec } from './types.ts';

const MAGIC = 'TSBSPEC1';
/** The binary's limit; Linux has a lower one on what a command line and an environment may add up to. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Of overlayfs, for one mount. */
const MAX_LAYERS = 500;
/** Of Linux, in bytes. */
const MAX_HOSTNAME_BYTES = 64;

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

class SpecWriter {
  readonly #parts: Buffer[] = [Buffer.from(MAGIC)];

  text(key: string, value: string): void {
    if (value.includes('\0')) throw invalidValue(key, value);
    const bytes = Buffer.from(value);
    const head = Buffer.alloc(6);
    head.writeUInt16LE(Buffer.byteLength(key), 0);
    head.writeUInt32LE(bytes.length, 2);
    this.#parts.push(head, Buffer.from(key), bytes, Buffer.alloc(1));
  }

  flag(key: string, value: boolean): void {
    this.text(key, value ? '1' : '0');
  }

  number(key: string, value: number | bigint): void {
    this.text(key, value.toString());
  }

  optional(key: string, value: string | undefined): void {
    if (value !== undefined) this.text(key, value);
  }

  list(key: string, values: readonly string[]): void {
    for (const value of values) this.text(key, value);
  }

  finish(): Buffer {
    this.text('end', '');
    return Buffer.concat(this.#parts);
  }
}

export const DEFAULT_BRIDGE: BridgeConfig = { name: 'tsbuild0' };

/** As c/net_config.h reads it. */
export function encodeBridge({ name, subnet }: BridgeConfig): string {
  return subnet === undefined ? name : `${name} ${subnet}`;
}

/** What containers have in common. */
export interface ContainerSetting {
  readonly bridge: BridgeConfig;
  /** Makes the containers instead of the native runtime. */
  readonly external?: ExternalRuntime;
  /** Default: `auto`. */
  readonly snapshotter?: Snapshotter;
}

/** Serialises `spec`; `openStdin` gives the process the caller's stdin. Throws `run-start-failed` for what Linux cannot take. */
export function encodeSpec(
  spec: ContainerSpec,
  openStdin: boolean,
  { bridge, external }: ContainerSetting = { bridge: DEFAULT_BRIDGE },
): Buffer {
  if (Buffer.byteLength(spec.hostname) > MAX_HOSTNAME_BYTES) throw hostnameTooLong(spec.hostname);
  const out = new SpecWriter();
  out.text('id', spec.id);
  out.optional('runtime', external?.path);
  out.list('runtime.flag', external?.flags ?? []);
  writeRootfs(out, spec.rootfs);
  out.flag('rootfs.readonly', spec.readonlyRootfs);
  out.list('arg', spec.args);
  out.list('env', environment(spec));
  out.text('cwd', spec.cwd);
  out.text('cwd.owner', spec.cwdOwner);
  out.text('user', spec.user);
  out.text('hostname', spec.hostname);
  writeNetwork(out, spec.network, spec.ports ?? []);
  out.text('network.role', spec.networkRole);
  if (spec.network === 'bridge') out.text('network.bridge', encodeBridge(bridge));
  for (const mount of spec.mounts) writeMount(out, mount);
  out.optional('etc.hosts', spec.etcFiles.hosts);
  out.optional('etc.hosts.name', spec.etcFiles.ownName);
  out.optional('etc.resolv.conf', spec.etcFiles.resolvConf);
  out.optional('etc.hostname', spec.etcFiles.hostname);
  out.flag('etc.readonly', spec.etcFiles.readonly);
  out.number('shm.size', spec.shmSizeBytes);
  for (const limit of spec.rlimits) {
    out.text('rlimit', limit.name);
    out.text('rlimit.soft', limit.soft === -1n ? 'unlimited' : limit.soft.toString());
    out.text('rlimit.hard', limit.hard === -1n ? 'unlimited' : limit.hard.toString());
  }
  writeResources(out, spec.resources ?? {});
  if (spec.oomScoreAdj !== undefined) out.number('oom-score-adj', spec.oomScoreAdj);
  out.flag('no-new-privileges', spec.noNewPrivileges);
  out.flag('insecure', spec.insecure);
  out.flag('terminal', spec.terminal);
  out.text('stdin', openStdin ? 'open' : 'empty');
  if (spec.init === true) out.flag('init', true);
  out.flag('remove-stubs', spec.removeStubs);
  const bytes = out.finish();
  if (bytes.length > MAX_BYTES) throw argumentsTooLong();
  return bytes;
}

/** One value for each name, the last, plus PATH and, with a terminal, TERM when they are missing. */
function environment(spec: ContainerSpec): string[] {
  const variables = new Map<string, string>();
  for (const entry of spec.env) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry);
  }
  if (!variables.has('PATH')) variables.set('PATH', `PATH=${DEFAULT_PATH}`);
  if (spec.terminal && !variables.has('TERM')) variables.set('TERM', 'TERM=xterm');
  return [...variables.values()];
}

function writeNetwork(out: SpecWriter, network: ContainerSpec['network'], ports: readonly PublishedPort[]): void {
  if (typeof network === 'object') {
    out.text('network', 'process');
    out.text('network.process', `${network.pid} ${network.startTicks}`);
  } else {
    out.text('network', network);
  }
  for (const { protocol, hostAddress, hostPort, containerPort } of ports)
    out.text('network.port', `${protocol} ${hostAddress} ${hostPort} ${containerPort}`);
}

function writeRootfs(out: SpecWriter, rootfs: RootfsSpec): void {
  if (rootfs.kind === 'directory') {
    out.text('rootfs.directory', rootfs.path);
    return;
  }
  writeLayers(out, 'rootfs.lower', rootfs.lower);
  out.text('rootfs.upper', rootfs.upper);
  out.text('rootfs.work', rootfs.work);
  out.flag('rootfs.volatile', rootfs.volatile);
}

function writeLayers(out: SpecWriter, key: string, lower: readonly string[]): void {
  const distinct = distinctLayers(lower);
  if (distinct.length > MAX_LAYERS) throw tooManyLayers(distinct.length);
  out.list(key, distinct);
}

function writeMount(out: SpecWriter, mount: MountSpec): void {
  out.text('mount', mount.kind);
  out.text('mount.target', mount.target);
  switch (mount.kind) {
    case 'bind':
      out.text('mount.source', mount.source);
      out.flag('mount.readonly', mount.readonly);
      out.flag('mount.recursive', mount.recursive);
      return;
    case 'overlay':
      writeLayers(out, 'mount.lower', mount.lower);
      out.optional('mount.upper', mount.upper);
      out.optional('mount.work', mount.work);
      out.optional('mount.subpath', mount.subpath);
      return;
    case 'tmpfs':
      out.flag('mount.readonly', mount.readonly);
      if (mount.sizeBytes !== undefined) out.number('mount.size', mount.sizeBytes);
      if (mount.mode !== undefined) out.number('mount.mode', mount.mode);
      return;
  }
}

/** Wire names of the fields, below `resource.`. */
const RESOURCES: readonly (readonly [keyof ContainerResources, string])[] = [
  ['memoryBytes', 'memory'],
  ['memoryReservationBytes', 'memory-reservation'],
  ['memorySwapBytes', 'memory-swap'],
  ['memorySwappiness', 'memory-swappiness'],
  ['oomKillDisable', 'oom-kill-disable'],
  ['cpuShares', 'cpu-shares'],
  ['cpuPeriodUs', 'cpu-period'],
  ['cpuQuotaUs', 'cpu-quota'],
  ['cpusetCpus', 'cpuset-cpus'],
  ['cpusetMems', 'cpuset-mems'],
  ['pids', 'pids'],
  ['parent', 'parent'],
  ['accounting', 'accounting'],
];

function writeResources(out: SpecWriter, resources: ContainerResources): void {
  for (const [field, name] of RESOURCES) {
    const value = resources[field];
    if (typeof value === 'boolean') out.flag(`resource.${name}`, value);
    else if (value !== undefined) out.text(`resource.${name}`, String(value));
  }
}

function invalidValue(key: string, value: string): BuildError {
  return new BuildError(
    'run-start-failed',
    `Cannot start the container: ${key} ${JSON.stringify(value)} contains a NUL`,
  );
}

function argumentsTooLong(): BuildError {
  return new BuildError('run-start-failed', 'Cannot start the container: argument list too long');
}

function hostnameTooLong(hostname: string): BuildError {
  return new BuildError(
    'run-start-failed',
    `Cannot start the container: host name "${hostname}" is longer than ${MAX_HOSTNAME_BYTES} bytes`,
  );
}

function tooManyLayers(count: number): BuildError {
  return new BuildError(
    'run-start-failed',
    `Cannot start the container: ${count} layers are more than the ${MAX_LAYERS} that overlayfs takes`,
  );
}
