/** RUN: a command in a container on top of the stack; what it wrote becomes a new layer. */
import { BuildError } from '../core/errors.ts';
import { EMPTY_SCAN, isEmptyDirectory } from '../layer/empty.ts';
import { reachableHosts } from '../runtime-native/network.ts';
import type { ContainerExit, ContainerSpec } from '../runtime-native/types.ts';
import type { ActiveSnapshot } from '../snapshot/types.ts';
import type { ExecOp, Op } from '../solver/op.ts';
import type { OpContext, Vertex } from '../solver/types.ts';
import type { PreparedMounts } from './mounts.ts';
import { prepareMounts } from './mounts.ts';
import type { SessionResources } from './resources.ts';
import type { ResultReader } from './results.ts';
import { OutputTail, runFailed, runNotStarted } from './run-failed.ts';
import type { BuildResult, ExecutorDeps } from './types.ts';

export interface ExecOpServices {
  readonly deps: ExecutorDeps;
  readonly reader: ResultReader;
  readonly resources: SessionResources;
}

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
/** What kept a command from running, as opposed to what was wrong with tsbuild or the machine. */
const NOT_STARTED = new Set(['command-not-found', 'command-not-executable', 'run-start-failed']);

/** Runs the command to its end; throws `run-failed` if it did not end with 0, and then keeps nothing of what it wrote. */
export async function executeExecOp(
  vertex: Vertex<Op>,
  op: ExecOp,
  inputs: readonly BuildResult[],
  services: ExecOpServices,
  context: OpContext,
): Promise<BuildResult> {
  const [root] = inputs;
  if (root === undefined) throw new Error('A command needs a root');
  const { deps, reader } = services;
  const layers = await reader.layers(root, context);
  await using active = await deps.snapshots.prepare();
  {
    await using mounts = await prepareMounts(vertex, op, inputs, services, context);
    const lower = layers.map(({ dir }) => dir);
    await runCommand(op, await describe(op, { lower, active, mounts, services }), services, context);
  }
  const snapshot = await active.commit(isEmptyDirectory(active.upper) ? EMPTY_SCAN : undefined);
  return { kind: 'layers', layers: [...layers.map(({ id }) => id), snapshot.id] };
}

async function runCommand(
  op: ExecOp,
  spec: ContainerSpec,
  { deps }: ExecOpServices,
  context: OpContext,
): Promise<void> {
  const tail = new OutputTail();
  const forward = (stream: 'stdout' | 'stderr') => (chunk: Uint8Array) => {
    tail.add(chunk);
    context.log(stream, chunk);
  };
  const runtime = await deps.runtime();
  let exit: ContainerExit;
  try {
    exit = await runtime.run(spec, {
      stdio: { kind: 'pipe', onStdout: forward('stdout'), onStderr: forward('stderr') },
      signal: context.signal,
    });
  } catch (error) {
    throw error instanceof BuildError && NOT_STARTED.has(error.code) ? runNotStarted(op.args, error) : error;
  }
  if (exit.code !== 0) throw runFailed(op.args, exit, tail.lines());
}

interface Description {
  readonly lower: readonly string[];
  readonly active: ActiveSnapshot;
  readonly mounts: PreparedMounts;
  readonly services: ExecOpServices;
}

async function describe(op: ExecOp, { lower, active, mounts, services }: Description): Promise<ContainerSpec> {
  const { deps, resources } = services;
  const { session } = deps;
  const network = await resources.networks.of(op.network);
  const extraHosts = session.extraHosts.filter(({ name }) => op.extraHosts.includes(name));
  return {
    id: `build-${deps.newId()}`,
    rootfs: { kind: 'overlay', lower, upper: active.upper, work: active.work, volatile: true },
    readonlyRootfs: false,
    args: op.args,
    // Proxies come first: what the Dockerfile says itself wins.
    env: [...session.proxyEnv, ...op.env, ...mounts.env],
    cwd: op.cwd,
    cwdOwner: 'user',
    user: op.user,
    hostname: op.hostname,
    network: network.kind,
    networkRole: 'step',
    mounts: mounts.mounts,
    etcFiles: {
      hosts: await resources.etc.hosts(op.hostname, reachableHosts(extraHosts, network)),
      resolvConf: await resources.etc.resolvConf(network.kind === 'host' ? 'host' : 'other'),
      readonly: true,
    },
    shmSizeBytes: op.shmSizeBytes ?? DEFAULT_SHM_BYTES,
    rlimits: op.ulimits.map(({ name, soft, hard }) => ({ name, soft: BigInt(soft), hard: BigInt(hard) })),
    ...(session.resources !== undefined && { resources: session.resources }),
    noNewPrivileges: false,
    insecure: op.security === 'insecure',
    terminal: false,
    removeStubs: true,
  };
}
