/** Containers whose runtime only remembers what it is told, on a machine that the test makes up. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerRunner } from '../../src/container/runner.ts';
import type {
  ContainerHost,
  ContainerImage,
  ContainerRequest,
  ContainerRunner,
  ProcessIdentity,
} from '../../src/container/types.ts';
import { digestOf } from '../../src/core/digest.ts';
import type { FileTree } from '../../src/core/tree.ts';
import type { ContainerConfig } from '../../src/oci/types.ts';
import type { NativeFiles, TreeWriter } from '../../src/runtime-native/tree-types.ts';
import type {
  ContainerExit,
  ContainerRuntime,
  ContainerSpec,
  RunningContainer,
  RunOptions,
} from '../../src/runtime-native/types.ts';
import { ToyTree } from '../support/toy-tree.ts';

export const SELF_PID = 1000;
export const CONTAINER_PID = 2000;

export interface FakeMachine extends ContainerHost {
  readonly files: Map<string, string>;
  readonly processes: Map<number, ProcessIdentity>;
  readonly killed: [number, NodeJS.Signals][];
}

/** This process runs; `/etc` has what a small machine has. Random bytes count upwards, time stands still. */
export function fakeMachine(): FakeMachine {
  const files = new Map([
    ['/etc/hosts', '127.0.0.1 localhost\n10.0.0.1 db'],
    ['/etc/resolv.conf', 'search lan\nnameserver 127.0.0.53\n'],
  ]);
  const processes = new Map([[SELF_PID, identity(SELF_PID)]]);
  const killed: [number, NodeJS.Signals][] = [];
  let drawn = 0;
  return {
    files,
    processes,
    killed,
    readText: async (path) => files.get(path),
    identify: async (pid) => processes.get(pid),
    kill: (pid, signal) => {
      killed.push([pid, signal]);
      processes.delete(pid);
    },
    pid: SELF_PID,
    now: () => 1_700_000_000_000,
    randomBytes: (length) => {
      const bytes = Buffer.alloc(length);
      bytes.writeUInt32BE(++drawn);
      return bytes;
    },
  };
}

export function identity(pid: number, startTicks = '5'): ProcessIdentity {
  return { pid, startTicks, bootId: 'boot', pidNamespace: '1' };
}

export type Behaviour = (spec: ContainerSpec, options: RunOptions) => Promise<ContainerExit>;

export interface ContainerRig {
  readonly runner: ContainerRunner;
  readonly machine: FakeMachine;
  readonly specs: ContainerSpec[];
  /** What was written through native writers: `OPERATION PATH`, below the host directory. */
  readonly written: string[];
}

/** `behave`: what the container does; by default it ends with 0 at once. */
export function containerRig(
  root: string,
  behave: Behaviour = async () => ({ code: 0, oomKilled: false }),
  machine = fakeMachine(),
): ContainerRig {
  const specs: ContainerSpec[] = [];
  const written: string[] = [];
  const runtime: ContainerRuntime = {
    run: async (spec, options) => {
      specs.push(spec);
      machine.processes.set(CONTAINER_PID, identity(CONTAINER_PID));
      try {
        return await behave(spec, options);
      } finally {
        machine.processes.delete(CONTAINER_PID);
      }
    },
    network: async () => ({ kind: 'available', gateway: '10.9.0.1' }),
    close: async () => undefined,
  };
  const runner = createContainerRunner({
    root,
    runtime,
    files: { openWriter: recordingWriter(written) },
    host: machine,
    graceMs: 5,
  });
  return { runner, machine, specs, written };
}

/** Carries out directories and files of bytes, so that what is empty and what is not shows. */
function recordingWriter(written: string[]): NativeFiles['openWriter'] {
  return (root): TreeWriter => {
    if (root.kind !== 'directory') throw new Error('a volume is a plain directory');
    const note = (line: string): void => void written.push(line);
    return {
      directory: async (path, { mode, uid, gid }) => {
        mkdirSync(join(root.path, path));
        note(`directory ${path} ${mode.toString(8)} ${uid}:${gid}`);
      },
      file: async (path, { mode, uid, gid }, content) => {
        writeFileSync(join(root.path, path), '');
        note(`file ${path} ${mode.toString(8)} ${uid}:${gid} ${content.kind === 'host' ? content.path : content.kind}`);
      },
      symlink: async (path, target) => note(`symlink ${path} -> ${target}`),
      link: async (path, target) => note(`link ${path} = ${target}`),
      node: async (path, type) => note(`node ${path} ${type}`),
      whiteout: async (path) => note(`whiteout ${path}`),
      opaque: async (path) => note(`opaque ${path}`),
      remove: async (path) => note(`remove ${path}`),
      flush: async () => undefined,
      close: async () => note('close'),
      [Symbol.asyncDispose]: async () => undefined,
    };
  };
}

export function image(config: ContainerConfig = {}, tree: FileTree = new ToyTree()): ContainerImage {
  return {
    id: digestOf('image'),
    name: 'app',
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['sh'], ...config },
      rootfs: { type: 'layers', diff_ids: [] },
    },
    layers: ['/layers/1', '/layers/2'],
    view: () => tree,
  };
}

export function request(asked: Partial<ContainerRequest> = {}): ContainerRequest {
  return {
    command: [],
    env: [],
    volumes: [],
    network: 'none',
    extraHosts: [],
    remove: false,
    interactive: false,
    tty: false,
    ...asked,
  };
}

/** A container that runs, as the runtime would tell of it. */
export function fakeContainer(kill: RunningContainer['kill'] = () => undefined): RunningContainer {
  const refuse = async (): Promise<never> => {
    throw new Error('nobody asks a fake container for this');
  };
  return { pid: CONTAINER_PID, kill, stats: refuse, pause: refuse, unpause: refuse };
}
