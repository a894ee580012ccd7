/** Runs containers, and keeps and removes what they leave. */
import { join } from 'node:path';
import { diskBytes } from '../core/directories.ts';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import type { ContainerSpec, PublishedPort, RunningContainer } from '../runtime-native/types.ts';
import { etcFiles } from './etc-files.ts';
import { defaultHostname, newContainerId, randomName } from './identity.ts';
import { reservePorts, wantedPorts } from './ports.ts';
import { containerArgs, containerSpec } from './spec.ts';
import { ContainerStore } from './store.ts';
import type {
  ContainerDeps,
  ContainerHost,
  ContainerImage,
  ContainerInfo,
  ContainerRecord,
  ContainerRequest,
  ContainerRunner,
  ContainerState,
  ProcessIdentity,
} from './types.ts';
import { planVolumes, Volumes } from './volumes.ts';

const GRACE_MS = 10_000;
const KILL_TIMEOUT_MS = 10_000;
const KILL_POLL_MS = 20;
const MAX_NAME_ATTEMPTS = 20;
/** A record is written in a moment; one that is still without a config after this time never gets one. */
const LEFTOVER_AGE_MS = 3_600_000;
/** Of a container whose process vanished without a word: as if killed. */
const LOST_EXIT_CODE = 137;

export function createContainerRunner(deps: ContainerDeps): ContainerRunner {
  const { host } = deps;
  const store = new ContainerStore(join(deps.root, 'containers'), join(deps.root, 'container-names'));
  const volumes = new Volumes(join(deps.root, 'volumes'), deps.files);

  const run: ContainerRunner['run'] = async (image, request, signal, onRecorded) => {
    throwIfAborted(signal);
    const args = containerArgs(image.name, image.config.config ?? {}, request);
    const planned = planVolumes(request.volumes, Object.keys(image.config.config?.Volumes ?? {}), host.randomBytes);
    const anonymousVolumes = planned.flatMap((volume) =>
      volume.kind === 'volume' && volume.anonymous ? [volume.name] : [],
    );
    const id = newContainerId(host.randomBytes);
    const { network } = request;
    const shared = typeof network === 'object' ? network : undefined;
    const hostname = shared?.hostname ?? request.hostname ?? defaultHostname(id);
    await using reserved = await reservePorts(wantedPorts(request, image.config.config ?? {}));
    const { ports } = reserved;
    const record = await createRecord(store, host, { id, image, request, args, anonymousVolumes, hostname, ports });
    try {
      await onRecorded?.();
      const mounts = await volumes.prepare(planned, image.view, signal);
      // With the network of another container, its names are those of the other one, also when they change.
      const { etcFiles } = store.paths(shared?.ownerId ?? id);
      const paths = { ...store.paths(id), etcFiles };
      const spec = containerSpec(id, image, request, hostname, mounts, paths, ports);
      const exitCode = await runToEnd(deps, store, spec, request, signal);
      await store.setState(id, { kind: 'exited', code: exitCode, endedAtMs: host.now() });
      return { containerId: id, exitCode };
    } catch (error) {
      const code = error instanceof BuildError ? error.exitStatus : LOST_EXIT_CODE;
      await store.setState(id, { kind: 'exited', code, endedAtMs: host.now() });
      throw error;
    } finally {
      if (request.remove) await discard(store, volumes, record);
    }
  };

  const sharedNetwork: ContainerRunner['sharedNetwork'] = async (nameOrId) => {
    const { id } = findContainer(await list(), nameOrId);
    const item = await store.read(id);
    if (item === undefined) throw notFound(nameOrId);
    const state = await currentState(item.state, host);
    if (state.kind !== 'running') {
      throw new BuildError(
        'container-not-running',
        `Cannot share the network of container "${nameOrId}": it is not running`,
      );
    }
    const ownerId = item.record.networkOwnerId ?? id;
    const text = await host.readText(store.paths(ownerId).etcFiles.hostname);
    if (text === undefined) {
      throw new BuildError(
        'container-not-running',
        `Cannot share the network of container "${nameOrId}": the container that it was made for is gone`,
      );
    }
    return { ownerId, process: state.process, hostname: text.trim() };
  };

  const list: ContainerRunner['list'] = async () => {
    const infos = await Promise.all(
      (await store.ids()).map(async (id) => {
        const item = await store.read(id);
        if (item === undefined) return [];
        const state = await currentState(item.state, host);
        if (item.record.remove && state.kind === 'exited' && item.state.kind !== 'exited') {
          // Its run was killed before it could do this itself.
          await discard(store, volumes, item.record);
          return [];
        }
        return [infoOf(item.record, state)];
      }),
    );
    return infos.flat();
  };

  const remove: ContainerRunner['remove'] = async (nameOrId, force) => {
    const { id } = findContainer(await list(), nameOrId);
    const item = await store.read(id);
    if (item === undefined) throw notFound(nameOrId);
    const state = await currentState(item.state, host);
    if (state.kind !== 'exited') {
      if (!force || state.kind === 'created') {
        throw new BuildError('container-in-use', `Cannot remove container "${nameOrId}": it is running`, {
          ...(!force && { hint: 'stop it first, or remove it with --force' }),
        });
      }
      await killAndWait(state.process, host);
    }
    await discard(store, volumes, item.record);
    return id;
  };

  const prune: ContainerRunner['prune'] = async () => {
    await store.sweep();
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const id of await store.ids()) {
      const item = await store.read(id);
      if (item === undefined) {
        // What a crash left of a record that was being written.
        if (await store.isOlderThan(id, host.now() - LEFTOVER_AGE_MS)) await store.remove(id, undefined);
        continue;
      }
      if ((await currentState(item.state, host)).kind !== 'exited') continue;
      reclaimedBytes += await diskBytes(store.paths(id).upper);
      await discard(store, volumes, item.record);
      removed.push(id);
    }
    return { removed, reclaimedBytes };
  };

  const find: ContainerRunner['find'] = async (nameOrId) => findContainer(await list(), nameOrId);

  return { run, sharedNetwork, list, find, remove, prune };
}

interface NewContainer {
  readonly id: string;
  readonly image: ContainerImage;
  readonly request: ContainerRequest;
  readonly args: readonly string[];
  readonly anonymousVolumes: readonly string[];
  readonly hostname: string;
  readonly ports: readonly PublishedPort[];
}

async function createRecord(
  store: ContainerStore,
  host: ContainerHost,
  container: NewContainer,
): Promise<ContainerRecord> {
  const { id, image, request, args, anonymousVolumes, hostname, ports } = container;
  const self = await host.identify(host.pid);
  if (self === undefined) throw new Error(`cannot identify process ${host.pid} by /proc`);
  const etc = await etcFiles(hostname, request, host);
  for (let attempt = 0; attempt < MAX_NAME_ATTEMPTS; attempt++) {
    const name = request.name ?? randomName(host.randomBytes, attempt);
    const record: ContainerRecord = {
      version: 1,
      id,
      name,
      image: { id: image.id, name: image.name },
      args,
      createdAtMs: host.now(),
      remove: request.remove,
      anonymousVolumes,
      ...(ports.length > 0 && { ports }),
      ...(typeof request.network === 'object' && { networkOwnerId: request.network.ownerId }),
    };
    if (await store.create(record, { kind: 'created', process: self }, etc)) return record;
    if (request.name !== undefined) {
      throw new BuildError('container-in-use', `Cannot name the container "${name}": another container has this name`, {
        hint: `remove it with "tsbuild rm ${name}", or choose another name`,
      });
    }
  }
  throw new BuildError(
    'container-in-use',
    `Cannot find a name for the container: ${MAX_NAME_ATTEMPTS} random ones are taken`,
  );
}

/** An abort is first told to the container, as a shell would; only one that does not end in time is killed. */
async function runToEnd(
  deps: ContainerDeps,
  store: ContainerStore,
  spec: ContainerSpec,
  request: ContainerRequest,
  signal: AbortSignal,
): Promise<number> {
  const { host, runtime } = deps;
  const killer = new AbortController();
  let running: RunningContainer | undefined;
  let grace: NodeJS.Timeout | undefined;
  let recorded: Promise<void> = Promise.resolve();
  const onAbort = (): void => {
    const passedOn = terminationSignal(signal.reason);
    if (running === undefined || passedOn === undefined) {
      killer.abort(signal.reason);
      return;
    }
    running.kill(passedOn);
    grace = setTimeout(() => killer.abort(signal.reason), deps.graceMs ?? GRACE_MS);
  };
  throwIfAborted(signal);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const exit = await runtime.run(spec, {
      stdio: { kind: 'inherit', openStdin: request.interactive },
      signal: killer.signal,
      onStarted: (container) => {
        running = container;
        recorded = recordStart(store, host, spec.id, container.pid);
      },
    });
    return exit.code;
  } finally {
    clearTimeout(grace);
    signal.removeEventListener('abort', onAbort);
    // Not to overwrite the state that comes after.
    await recorded;
  }
}

async function recordStart(store: ContainerStore, host: ContainerHost, id: string, pid: number): Promise<void> {
  const process = await host.identify(pid);
  // It may have ended already.
  if (process !== undefined) await store.setState(id, { kind: 'running', process, startedAtMs: host.now() });
}

/** The system's signal that an abort is about, if it is one that asks a process to end. */
function terminationSignal(reason: unknown): 'SIGINT' | 'SIGTERM' | 'SIGHUP' | undefined {
  const cause = reason instanceof BuildError ? reason.cause : undefined;
  return cause === 'SIGINT' || cause === 'SIGTERM' || cause === 'SIGHUP' ? cause : undefined;
}

async function discard(store: ContainerStore, volumes: Volumes, record: ContainerRecord): Promise<void> {
  for (const name of record.anonymousVolumes) await volumes.remove(name);
  await store.remove(record.id, record.name);
}

async function currentState(state: ContainerState, host: ContainerHost): Promise<ContainerState> {
  if (state.kind === 'exited' || (await isAlive(state.process, host))) return state;
  return { kind: 'exited', code: LOST_EXIT_CODE, endedAtMs: 0 };
}

async function isAlive(process: ProcessIdentity, host: ContainerHost): Promise<boolean> {
  const self = await host.identify(host.pid);
  if (self?.bootId !== process.bootId) return false;
  // Nothing can be said of another namespace's processes, so they are left in peace.
  if (self.pidNamespace !== process.pidNamespace) return true;
  return (await host.identify(process.pid))?.startTicks === process.startTicks;
}

async function killAndWait(process: ProcessIdentity, host: ContainerHost): Promise<void> {
  host.kill(process.pid, 'SIGKILL');
  for (let waitedMs = 0; await isAlive(process, host); waitedMs += KILL_POLL_MS) {
    if (waitedMs > KILL_TIMEOUT_MS)
      throw new BuildError(
        'container-in-use',
        `Cannot end process ${process.pid} of the container: it does not react to SIGKILL`,
      );
    await new Promise((resolve) => setTimeout(resolve, KILL_POLL_MS));
  }
}

function infoOf(record: ContainerRecord, state: ContainerState): ContainerInfo {
  return {
    id: record.id,
    name: record.name,
    image: record.image.name,
    imageId: record.image.id,
    command: record.args,
    createdAtMs: record.createdAtMs,
    ports: state.kind === 'exited' ? [] : (record.ports ?? []),
    state: state.kind === 'exited' ? { kind: 'exited', code: state.code } : { kind: 'running', pid: state.process.pid },
  };
}

function findContainer(containers: readonly ContainerInfo[], nameOrId: string): ContainerInfo {
  const exact = containers.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (exact !== undefined) return exact;
  const [match, other] = nameOrId === '' ? [] : containers.filter(({ id }) => id.startsWith(nameOrId));
  if (match === undefined) throw notFound(nameOrId);
  if (other !== undefined)
    throw new BuildError(
      'container-not-found',
      `Cannot tell which container "${nameOrId}" is: several IDs start with it`,
    );
  return match;
}

function notFound(nameOrId: string): BuildError {
  return new BuildError('container-not-found', `Cannot find container "${nameOrId}"`);
}
