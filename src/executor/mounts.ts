/** `RUN --mount`: from operations to what the native runtime mounts. */
import { BuildError } from '../core/errors.ts';
import { unreachable } from '../core/exhaustive.ts';
import { cleanPath, pathParts } from '../core/paths.ts';
import type { MountSpec } from '../runtime-native/types.ts';
import type { ExecMount, ExecOp, Op } from '../solver/op.ts';
import type { OpContext, Vertex } from '../solver/types.ts';
import type { CacheSeed } from './cache-mounts.ts';
import { mountSelection, placeOf } from './content.ts';
import type { SessionResources } from './resources.ts';
import type { ResultReader } from './results.ts';
import { readSecret } from './secret-files.ts';
import type { SelectedSource } from './selection.ts';
import { select } from './selection.ts';
import type { BuildResult, ExecutorDeps } from './types.ts';

export interface MountServices {
  readonly deps: Pick<ExecutorDeps, 'snapshots' | 'session'>;
  readonly reader: ResultReader;
  readonly resources: SessionResources;
}

/** What a command gets; disposing gives back what was only for it. */
export interface PreparedMounts extends AsyncDisposable {
  readonly mounts: readonly MountSpec[];
  /** Variables from secrets. */
  readonly env: readonly string[];
}

/** Prepares all mounts of an operation, in order. Throws `source-not-found` for what is missing. */
export async function prepareMounts(
  vertex: Vertex<Op>,
  op: ExecOp,
  inputs: readonly BuildResult[],
  services: MountServices,
  context: OpContext,
): Promise<PreparedMounts> {
  const preparation = new Preparation(vertex, inputs, services, context);
  try {
    for (const mount of outermostFirst(op.mounts)) await preparation.add(mount);
    return preparation;
  } catch (error) {
    await preparation[Symbol.asyncDispose]();
    throw error;
  }
}

/** A mount must not hide another one that lies inside it, in whatever order they are written. */
function outermostFirst(mounts: readonly ExecMount[]): ExecMount[] {
  const depth = ({ target }: ExecMount): number => pathParts(cleanPath(`/${target ?? ''}`)).length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

class Preparation implements PreparedMounts {
  readonly mounts: MountSpec[] = [];
  readonly env: string[] = [];
  private readonly held: AsyncDisposable[] = [];
  private readonly vertex: Vertex<Op>;
  private readonly inputs: readonly BuildResult[];
  private readonly services: MountServices;
  private readonly context: OpContext;

  constructor(vertex: Vertex<Op>, inputs: readonly BuildResult[], services: MountServices, context: OpContext) {
    this.vertex = vertex;
    this.inputs = inputs;
    this.services = services;
    this.context = context;
  }

  async add(mount: ExecMount): Promise<void> {
    switch (mount.kind) {
      case 'bind':
        this.mounts.push(await this.bind(mount));
        return;
      case 'cache':
        this.mounts.push(await this.cache(mount));
        return;
      case 'tmpfs': {
        const { target, sizeBytes, readonly = false } = mount;
        this.mounts.push({ kind: 'tmpfs', target, readonly, ...(sizeBytes !== undefined && { sizeBytes }) });
        return;
      }
      case 'secret':
        this.secret(mount);
        return;
      case 'ssh':
        await this.ssh(mount);
        return;
      default:
        unreachable(mount);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const held of this.held.splice(0).reverse()) await held[Symbol.asyncDispose]();
  }

  private async bind(mount: ExecMount & { kind: 'bind' }): Promise<MountSpec> {
    const { source, layers } = await this.open(mount.input, mount.source);
    const { target } = mount;
    if (mount.readonly && layers.length > 0) {
      return { kind: 'overlay', lower: layers, target, subpath: source.path };
    }
    // For what is written, which goes in the end; or for an empty stage, of which there is nothing to stack.
    const scratch = await this.services.deps.snapshots.prepare();
    this.held.push(scratch);
    if (mount.readonly) return { kind: 'bind', source: scratch.upper, target, readonly: true, recursive: false };
    return { kind: 'overlay', lower: layers, upper: scratch.upper, work: scratch.work, target, subpath: source.path };
  }

  private async cache(mount: ExecMount & { kind: 'cache' }): Promise<MountSpec> {
    const seed = mount.input === undefined ? undefined : await this.seed(mount.input, mount.source);
    const cache = await this.services.resources.caches.open(mount, seed, this.context.signal);
    this.held.push(cache);
    return { kind: 'bind', source: cache.dir, target: mount.target, readonly: mount.readonly, recursive: false };
  }

  private secret(mount: ExecMount & { kind: 'secret' }): void {
    const source = this.services.deps.session.secrets.get(mount.id);
    if (source === undefined) {
      if (!mount.required) {
        // The variable is there all the same, as in BuildKit.
        if (mount.env !== undefined) this.env.push(`${mount.env}=`);
        return;
      }
      throw new BuildError('source-not-found', `Cannot find the secret "${mount.id}", which is required`, {
        hint: `pass it with --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=VARIABLE`,
      });
    }
    const value = readSecret(mount.id, source);
    if (mount.env !== undefined) this.env.push(`${mount.env}=${Buffer.from(value).toString('utf8')}`);
    if (mount.target === undefined) return;
    const path = this.services.resources.secrets.write(value, mount);
    this.mounts.push({ kind: 'bind', source: path, target: mount.target, readonly: true, recursive: false });
  }

  private async ssh(mount: ExecMount & { kind: 'ssh' }): Promise<void> {
    const agent = this.services.deps.session.sshAgents.get(mount.id);
    if (agent === undefined) {
      if (!mount.required) return;
      throw new BuildError('source-not-found', `Cannot find the SSH agent "${mount.id}", which is required`, {
        hint: `pass it with --ssh ${mount.id === 'default' ? 'default' : `${mount.id}=SOCKET|KEY`}`,
      });
    }
    const { openAgentSocket } = await import('./agent-sockets.ts');
    const socket = await openAgentSocket(mount.id, agent, mount);
    this.held.push(socket);
    this.mounts.push({ kind: 'bind', source: socket.path, target: mount.target, readonly: true, recursive: false });
  }

  private async seed(index: number, path: string): Promise<CacheSeed> {
    const input = this.input(index);
    const tree = await this.services.reader.tree(input, this.context);
    const source = this.only(index, select(tree, mountSelection(path), this.selectOptions(index)));
    // A client's directory has no identity that would outlive its build.
    const identity = input.kind === 'local' || input.kind === 'remote' ? undefined : { input, path };
    return { tree, source, identity };
  }

  /** A source with the directories that, stacked, hold it at its path. */
  private async open(index: number, path: string): Promise<{ source: SelectedSource; layers: readonly string[] }> {
    const input = this.input(index);
    const tree = await this.services.reader.tree(input, this.context);
    const source = this.only(index, select(tree, mountSelection(path), this.selectOptions(index)));
    if (input.kind === 'local' || input.kind === 'remote') {
      const { dir } = await this.services.resources.contexts.open(tree, source, this.context.signal);
      return { source, layers: [dir] };
    }
    const layers = await this.services.reader.layers(input, this.context);
    return { source, layers: layers.map(({ dir }) => dir) };
  }

  private only(index: number, sources: readonly SelectedSource[]): SelectedSource {
    const [source] = sources;
    if (source === undefined) throw new Error(`Input ${index} has no part to mount`);
    return source;
  }

  private input(index: number): BuildResult {
    const input = this.inputs[index];
    if (input === undefined) throw new Error(`A mount of input ${index}, which does not exist`);
    return input;
  }

  private selectOptions(index: number): { place: string; signal: AbortSignal } {
    return { place: placeOf(this.vertex, index), signal: this.context.signal };
  }
}
