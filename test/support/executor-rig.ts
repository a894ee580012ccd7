/** An executor over a store of its own with the real native binary, and shorthands for operations. Needs root. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContentMemo } from '../../src/cache/content-memo.ts';
import type { Digest } from '../../src/core/digest.ts';
import { digestOf } from '../../src/core/digest.ts';
import { hostPlatform } from '../../src/core/platform.ts';
import type { FileTree } from '../../src/core/tree.ts';
import { resolvePath } from '../../src/core/tree.ts';
import type { Executor } from '../../src/executor/handler.ts';
import { createExecutor } from '../../src/executor/handler.ts';
import type { BuildResult, ExecutorDeps, SessionValues } from '../../src/executor/types.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import { createSnapshotStore } from '../../src/snapshot/store.ts';
import type { SnapshotStore } from '../../src/snapshot/types.ts';
import { MergedView } from '../../src/snapshot/view.ts';
import { GraphBuilder } from '../../src/solver/graph.ts';
import type { CopyAction, ExecOp, FileAction, Op } from '../../src/solver/op.ts';
import type { OpContext, Vertex } from '../../src/solver/types.ts';
import { makeBusyboxRootfs } from './busybox-rootfs.ts';
import { tempDir } from './temp.ts';

export const NO_SESSION: SessionValues = { secrets: new Map(), sshAgents: new Map(), proxyEnv: [], extraHosts: [] };

/** A result in hand, with the vertex that stands for it as an input. */
export interface Made {
  readonly vertex: Vertex<Op>;
  readonly result: BuildResult;
  readonly identity: Digest;
}

export interface RigOptions {
  readonly session?: Partial<SessionValues>;
  readonly locals?: ReadonlyMap<string, FileTree>;
}

export class ExecutorRig implements AsyncDisposable {
  readonly root: string;
  readonly snapshots: SnapshotStore;
  readonly executor: Executor;
  readonly deps: ExecutorDeps;
  readonly log: string[] = [];
  private readonly temp: AsyncDisposable;
  private readonly graph = new GraphBuilder<Op>();

  private constructor(temp: AsyncDisposable, root: string, options: RigOptions) {
    this.temp = temp;
    this.root = root;
    const binaryPath = findRuntimeBinary();
    const files = createNativeFiles({ binaryPath });
    this.snapshots = createSnapshotStore({
      root,
      scanLayer: (dir) => files.scanLayer(dir),
      removeTree: (path) => files.removeTree(path),
    });
    this.deps = {
      snapshots: this.snapshots,
      memo: createContentMemo({ dir: join(root, 'cache') }),
      files: async () => files,
      runtime: async () => createNativeRuntime({ binaryPath }),
      unpacker: async () => {
        throw new Error('no images here');
      },
      remotes: async () => {
        throw new Error('no network here');
      },
      onWarning: (message) => this.log.push(`warning: ${message}`),
      locals: options.locals ?? new Map(),
      session: { ...NO_SESSION, ...options.session },
      root,
      newId: () => randomBytes(8).toString('hex'),
    };
    this.executor = createExecutor(this.deps);
  }

  static async open(options: RigOptions = {}): Promise<ExecutorRig> {
    const temp = await tempDir();
    const root = join(temp.path, 'store');
    mkdirSync(root);
    return new ExecutorRig(temp, root, options);
  }

  /** A layer that `fill` writes. */
  async layer(fill: (dir: string) => void): Promise<Made> {
    const active = await this.snapshots.prepare();
    fill(active.upper);
    const { id } = await active.commit();
    const vertex = this.graph.add({ op: { kind: 'local', name: id }, inputs: [], name: `layer ${id}` });
    return { vertex, result: { kind: 'layers', layers: [id] }, identity: digestOf(id) };
  }

  busybox(): Promise<Made> {
    return this.layer(makeBusyboxRootfs);
  }

  async make(op: Op, inputs: readonly Made[] = [], signal: AbortSignal = new AbortController().signal): Promise<Made> {
    const vertex = this.graph.add({ op, inputs: inputs.map((input) => input.vertex), name: op.kind });
    const results = inputs.map((input) => input.result);
    return { vertex, ...(await this.executor.execute(vertex, results, this.context(vertex, signal))) };
  }

  scratch(): Promise<Made> {
    return this.make({ kind: 'scratch' });
  }

  local(name: string): Promise<Made> {
    return this.make({ kind: 'local', name });
  }

  /** RUN through the shell. */
  run(
    root: Made,
    script: string,
    options: Partial<ExecOp> & { readonly inputs?: readonly Made[]; readonly signal?: AbortSignal } = {},
  ): Promise<Made> {
    const { inputs = [], signal, ...op } = options;
    return this.make({ ...execOp(['/bin/sh', '-c', script]), ...op }, [root, ...inputs], signal);
  }

  /** COPY from `source`. */
  copy(root: Made, source: Made, ...actions: readonly Partial<CopyAction>[]): Promise<Made> {
    return this.make({ kind: 'file', actions: actions.map((action) => copyAction(action)) }, [root, source]);
  }

  files(root: Made, ...actions: readonly FileAction[]): Promise<Made> {
    return this.make({ kind: 'file', actions }, [root]);
  }

  async tree(made: Made): Promise<FileTree> {
    if (made.result.kind !== 'layers') throw new Error('not a stack');
    const layers = await Promise.all(made.result.layers.map(async (id) => (await this.snapshots.get(id))!));
    return new MergedView(layers);
  }

  /** The text of a file, links followed. */
  async text(made: Made, path: string): Promise<string> {
    const tree = await this.tree(made);
    return readFileSync(tree.hostPath(resolvePath(tree, path)), 'utf8');
  }

  context(vertex: Vertex<Op>, signal: AbortSignal): OpContext {
    return {
      signal,
      vertex: { digest: vertex.digest, name: vertex.name },
      log: (_stream, data) => this.log.push(Buffer.from(data).toString('utf8')),
      status: () => undefined,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

export function execOp(args: readonly string[]): ExecOp {
  return {
    kind: 'exec',
    args,
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    hostname: 'buildkitsandbox',
    network: 'default',
    security: 'sandbox',
    mounts: [],
    extraHosts: [],
    ulimits: [],
    platform: hostPlatform(),
  };
}

export function copyAction(action: Partial<CopyAction>): CopyAction {
  return {
    kind: 'copy',
    input: 1,
    selection: { source: '/', wildcard: true, exclude: [] },
    destination: '/',
    parents: false,
    unpack: false,
    resetOwner: true,
    ...action,
  };
}

/** A selection of one source, which may be a pattern. */
export function from(source: string, ...exclude: readonly string[]): CopyAction['selection'] {
  return { source, wildcard: true, exclude };
}

/** Everything below the root as lines of type, mode, owner and path, with link targets. */
export function listing(tree: FileTree, path = '/'): string[] {
  return tree.readdir(path).flatMap((name) => {
    const child = path === '/' ? `/${name}` : `${path}/${name}`;
    const entry = tree.lstat(child);
    if (entry === undefined) return [];
    const target = entry.type === 'symlink' ? ` -> ${tree.readlink(child)}` : '';
    const mode = entry.type === 'symlink' ? '' : ` ${entry.mode.toString(8)}`;
    const line = `${entry.type}${mode} ${entry.uid}:${entry.gid} ${child}${target}`;
    return entry.type === 'directory' ? [line, ...listing(tree, child)] : [line];
  });
}
