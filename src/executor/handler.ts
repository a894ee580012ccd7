/** The solver's view of a build's operations: keys, content digests and results. One executor serves one client's build. */
import type { Digest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { Op } from '../solver/op.ts';
import type { CacheMap, OpContext, OpHandler, Solved, Vertex } from '../solver/types.ts';
import { usedContentDigest, usedRemoteDigest } from './content.ts';
import { cacheMapOf, keyDigest } from './keys.ts';
import type { SessionResources } from './resources.ts';
import { ResultReader } from './results.ts';
import type { BuildResult, ExecutorDeps } from './types.ts';

/** To be disposed of when its build has ended, however it ended. */
export interface Executor extends OpHandler<Op, BuildResult>, AsyncDisposable {}

export function createExecutor(deps: ExecutorDeps): Executor {
  return new SessionExecutor(deps);
}

class SessionExecutor implements Executor {
  private readonly deps: ExecutorDeps;
  private readonly reader: ResultReader;
  private opened: Promise<SessionResources> | undefined;
  /** By vertex and input, since a result's identity asks for what its key has asked for. */
  private readonly contents = new Map<string, Digest>();

  constructor(deps: ExecutorDeps) {
    this.deps = deps;
    this.reader = new ResultReader(deps);
  }

  async cacheMap(vertex: Vertex<Op>): Promise<CacheMap> {
    return cacheMapOf(vertex);
  }

  async contentDigest(
    vertex: Vertex<Op>,
    index: number,
    input: BuildResult,
    context: OpContext,
    inputOf: (index: number) => Promise<BuildResult>,
  ): Promise<Digest> {
    const key = `${vertex.digest} ${index}`;
    const known = this.contents.get(key);
    if (known !== undefined) return known;
    const digest = await this.usedDigest(vertex, index, input, context, inputOf);
    this.contents.set(key, digest);
    return digest;
  }

  needsSlot(vertex: Vertex<Op>): boolean {
    return vertex.op.kind === 'exec';
  }

  async execute(vertex: Vertex<Op>, inputs: readonly BuildResult[], context: OpContext): Promise<Solved<BuildResult>> {
    const { op } = vertex;
    switch (op.kind) {
      case 'scratch':
        return { result: { kind: 'layers', layers: [] }, identity: keyDigest('tsbuild.scratch-result.v1', {}) };
      case 'image':
        return {
          result: { kind: 'image', reference: op.reference, manifest: op.manifest },
          identity: keyDigest('tsbuild.image-result.v1', { manifest: op.manifest }),
        };
      case 'local': {
        const tree = this.deps.locals.get(op.name);
        if (tree === undefined) throw new BuildError('context-not-found', `Cannot find the build context "${op.name}"`);
        // Never in a key: what is used of it enters by content.
        return { result: { kind: 'local', tree }, identity: keyDigest('tsbuild.local-result.v1', { name: op.name }) };
      }
      case 'http':
      case 'git': {
        const remotes = await this.deps.remotes();
        const onProgress = (...status: Parameters<OpContext['status']>): void => context.status(...status);
        const source = await remotes.resolve(op, { signal: context.signal, onProgress });
        return { result: { kind: 'remote', source }, identity: source.content };
      }
      case 'file': {
        const { executeFileOp } = await import('./file.ts');
        const result = await executeFileOp(vertex, op, inputs, { deps: this.deps, reader: this.reader }, context);
        return { result, identity: await this.fileIdentity(vertex, inputs, context) };
      }
      case 'exec': {
        const { executeExecOp } = await import('./exec.ts');
        const resources = await this.resources();
        const services = { deps: this.deps, reader: this.reader, resources };
        const result = await executeExecOp(vertex, op, inputs, services, context);
        // Two runs of one command are two things: what it wrote need not be equal.
        return { result, identity: keyDigest('tsbuild.exec-result.v1', { id: this.deps.newId() }) };
      }
      case 'merge':
        return this.merge(inputs, context);
      default:
        return unreachable(op);
    }
  }

  private async usedDigest(
    vertex: Vertex<Op>,
    index: number,
    input: BuildResult,
    context: OpContext,
    inputOf: (index: number) => Promise<BuildResult>,
  ): Promise<Digest> {
    const { op } = vertex;
    if (input.kind === 'remote') return usedRemoteDigest(vertex, index, input.source.content);
    if (op.kind === 'file' && index === 0) {
      const others = await Promise.all(vertex.inputs.slice(1).map((_, other) => inputOf(other + 1)));
      const { destinationDigest } = await import('./destination-digest.ts');
      return destinationDigest(vertex, op, [input, ...others], this.reader, context);
    }
    return usedContentDigest(vertex, index, await this.reader.tree(input, context), this.deps.memo, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.opened !== undefined) await (await this.opened)[Symbol.asyncDispose]();
  }

  /** Equal operations on the same root with equal files make equal layers, whenever and wherever they are carried out. */
  private async fileIdentity(vertex: Vertex<Op>, inputs: readonly BuildResult[], context: OpContext): Promise<Digest> {
    const { opDigest, inputs: uses } = cacheMapOf(vertex);
    const contents: unknown[] = [];
    const inputOf = async (index: number): Promise<BuildResult> => inputs[index] ?? noInput(index);
    for (const [index, input] of inputs.entries()) {
      contents.push(
        uses[index]?.kind === 'content'
          ? await this.contentDigest(vertex, index, input, context, inputOf)
          : await this.rootIdentity(input, context),
      );
    }
    return keyDigest('tsbuild.file-result.v1', { opDigest, contents });
  }

  private async rootIdentity(input: BuildResult, context: OpContext): Promise<unknown> {
    return (await this.reader.layers(input, context)).map(({ id }) => id);
  }

  private async merge(inputs: readonly BuildResult[], context: OpContext): Promise<Solved<BuildResult>> {
    const stacks = await Promise.all(inputs.map((input) => this.reader.layers(input, context)));
    const layers = stacks.flat().map(({ id }) => id);
    return { result: { kind: 'layers', layers }, identity: keyDigest('tsbuild.merge-result.v1', { layers }) };
  }

  private resources(): Promise<SessionResources> {
    this.opened ??= import('./resources.ts').then(({ SessionResources: Resources }) => new Resources(this.deps));
    return this.opened;
  }
}

function noInput(index: number): never {
  throw new Error(`There is no input ${index}`);
}
