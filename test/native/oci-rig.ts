/** Bundles, and the OCI commands of the native binary on them. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { makeBusyboxRootfs } from '../support/busybox-rootfs.ts';

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Config {
  process: Record<string, unknown>;
  mounts: Record<string, unknown>[];
  linux: Record<string, unknown>;
  [key: string]: unknown;
}

const CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_KILL', 'CAP_SETUID', 'CAP_SETGID', 'CAP_MKNOD'];
const TIMEOUT_MS = 60_000;

/** A directory of states, bundles and a busybox root. */
export class OciRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'tsbuild-oci-'));
  readonly root = join(this.directory, 'state');
  readonly rootfs = join(this.directory, 'rootfs');
  #sequence = 0;

  /** Runs one command to its end. */
  runtime = (...args: string[]): Result => {
    const { status, stdout, stderr } = spawnSync(findRuntimeBinary(), ['oci', '--root', this.root, ...args], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    return { status, stdout, stderr };
  };

  /** The same for one that leaves a container behind, which must not hold the pipes of the test. */
  detached = (...args: string[]): Result => {
    const file = join(this.directory, `stderr-${++this.#sequence}`);
    const fd = openSync(file, 'w');
    const { status } = spawnSync(findRuntimeBinary(), ['oci', '--root', this.root, ...args], {
      stdio: ['ignore', 'ignore', fd],
      timeout: TIMEOUT_MS,
    });
    closeSync(fd);
    return { status, stdout: '', stderr: readFileSync(file, 'utf8') };
  };

  config = (script: string): Config => ({
    ociVersion: '1.2.0',
    root: { path: this.rootfs },
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
  });

  /** A new bundle; its path. */
  bundle = (value: Config): string => {
    const path = join(this.directory, `bundle-${++this.#sequence}`);
    mkdirSync(path);
    value.linux['cgroupsPath'] ??= `/tsbuild-test/${process.pid}-${this.#sequence}`;
    writeFileSync(join(path, 'config.json'), JSON.stringify(value));
    return path;
  };

  /** A name that no container has. */
  fresh = (): string => `c${process.pid}-${++this.#sequence}`;

  run = (value: Config): Result => this.runtime('run', '-b', this.bundle(value), this.fresh());

  /** A container that runs `script` in the background; its id. */
  running = (script = 'exec sleep 1000', change: (value: Config) => void = () => undefined): string => {
    const [id, value] = [this.fresh(), this.config(script)];
    change(value);
    const { status, stderr } = this.detached('run', '-d', '-b', this.bundle(value), id);
    if (status !== 0) throw new Error(stderr);
    return id;
  };

  statusOf = (id: string): unknown => {
    const state: unknown = JSON.parse(this.runtime('state', id).stdout);
    return typeof state === 'object' && state !== null && 'status' in state ? state.status : undefined;
  };

  open(): void {
    mkdirSync(this.rootfs);
    makeBusyboxRootfs(this.rootfs);
  }

  close(): void {
    for (const id of this.runtime('list', '-q').stdout.split('\n').filter(Boolean)) this.runtime('delete', '-f', id);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A suite whose tests get a rig; without root, which containers need, it says so. */
export function ociSuite(
  name: string,
  define: (test: (title: string, body: () => void | Promise<void>) => void, rig: OciRig) => void,
): void {
  const tests = suite(name);
  if (process.getuid?.() !== 0) {
    process.stderr.write(`SKIPPED: ${name} needs root\n`);
    tests.skip('needs root');
    tests.run();
    return;
  }
  const rig = new OciRig();
  tests.before(() => rig.open());
  tests.after(() => rig.close());
  define((title, body) => tests(title, body), rig);
  tests.run();
}
