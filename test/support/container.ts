/** Containers for tests of the native runtime: a busybox root, a fresh upper directory, and everything else by default. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import type {
  ContainerExit,
  ContainerRuntime,
  ContainerSpec,
  RunningContainer,
} from '../../src/runtime-native/types.ts';
import { makeBusyboxRootfs } from './busybox-rootfs.ts';

export interface Outcome {
  readonly exit: ContainerExit;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunExtras {
  readonly signal?: AbortSignal;
  readonly onStarted?: (container: RunningContainer) => void;
  readonly onStdout?: (text: string) => void;
}

let sequence = 0;

/** A directory with a base layer, and containers on top of it. */
export class ContainerRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'tsbuild-native-'));
  readonly base = join(this.directory, 'base');
  readonly runtime: ContainerRuntime;

  constructor(runtime: ContainerRuntime = createNativeRuntime({ binaryPath: findRuntimeBinary() })) {
    this.runtime = runtime;
    mkdirSync(this.base);
    makeBusyboxRootfs(this.base);
  }

  /** A new empty directory. */
  fresh(name = 'dir'): string {
    const path = join(this.directory, `${name}-${++sequence}`);
    mkdirSync(path);
    return path;
  }

  /** A container that runs `script` in a shell on the base layer; `overrides` changes anything. */
  spec(script: string, overrides: Partial<ContainerSpec> = {}): ContainerSpec {
    return {
      id: `test-${process.pid}-${++sequence}`,
      rootfs: {
        kind: 'overlay',
        lower: [this.base],
        upper: this.fresh('upper'),
        work: this.fresh('work'),
        volatile: true,
      },
      readonlyRootfs: false,
      args: ['/bin/sh', '-c', script],
      env: ['PATH=/bin'],
      cwd: '/',
      cwdOwner: 'user',
      user: '',
      hostname: 'box',
      network: 'none',
      networkRole: 'step',
      mounts: [],
      etcFiles: { readonly: true },
      shmSizeBytes: 64 * 1024 * 1024,
      rlimits: [],
      noNewPrivileges: false,
      insecure: false,
      terminal: false,
      removeStubs: true,
      ...overrides,
    };
  }

  async run(spec: ContainerSpec, extras: RunExtras = {}): Promise<Outcome> {
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    const exit = await this.runtime.run(spec, {
      stdio: {
        kind: 'pipe',
        onStdout: (chunk) => {
          stdout.push(chunk);
          extras.onStdout?.(Buffer.from(chunk).toString());
        },
        onStderr: (chunk) => void stderr.push(chunk),
      },
      ...(extras.signal !== undefined && { signal: extras.signal }),
      ...(extras.onStarted !== undefined && { onStarted: extras.onStarted }),
    });
    return { exit, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
  }

  /** What `script` prints; fails the test when it exits with another code than 0. */
  async output(script: string, overrides: Partial<ContainerSpec> = {}): Promise<string> {
    const { exit, stdout, stderr } = await this.run(this.spec(script, overrides));
    if (exit.code !== 0) throw new Error(`exit code ${exit.code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Compiles a C program into a directory of its own, to be bound into a container; returns the directory. */
  compile(source: string): string {
    const directory = this.fresh('program');
    execFileSync('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', join(directory, 'program'), source]);
    return directory;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The upper directory of a spec on an overlay. */
export function upperOf(spec: ContainerSpec): string {
  if (spec.rootfs.kind !== 'overlay') throw new Error('the root is not an overlay');
  return spec.rootfs.upper;
}

export interface ContainerTest {
  (name: string, body: (rig: ContainerRig) => Promise<void>): void;
  /** A test that this machine cannot run, and why. */
  skip(name: string, why: string): void;
}

/** A suite whose tests get a rig; without root, which containers need, all are skipped. */
export function containerSuite(name: string, define: (test: ContainerTest) => void): void {
  const native = suite(name);
  const isRoot = process.getuid?.() === 0;
  const skip = (title: string, why: string): void => {
    process.stderr.write(`SKIPPED: ${name}: ${title}: ${why}\n`);
    native.skip(title);
  };
  let rig: ContainerRig;
  if (isRoot) {
    native.before(() => {
      rig = new ContainerRig();
    });
    native.after(async () => {
      await rig.runtime.close();
      rig.remove();
    });
  }
  const test = (title: string, body: (rig: ContainerRig) => Promise<void>): void => {
    if (isRoot) native(title, () => body(rig));
    else skip(title, 'containers need root');
  };
  define(Object.assign(test, { skip }));
  native.run();
}
