/**
 * One vertex within one job, on its way from its definition key over its content key to a result.
 *
 * Every question (cache map, keys, digests, the result itself) is asked at most once and its answer kept. `solve` waits before it asks
 * the inputs, so a chain of thousands of vertices takes memory but no stack.
 */
import type { Digest } from '../core/digest.ts';
import { throwIfAborted } from '../core/errors.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { ContentPart, DefinitionPart } from './cache-key.ts';
import { contentKey, definitionKey } from './cache-key.ts';
import type { RunningOperation, Scheduler } from './scheduler.ts';
import { settleAll } from './settle.ts';
import type { CacheKey, CacheMap, CacheStorage, InputUse, OpContext, OpHandler, Solved, Vertex } from './types.ts';
import type { VertexProgress } from './vertex-progress.ts';

/** How an operation that jobs share ended. */
export interface StepOutcome<R> {
  readonly solved: Solved<R>;
  readonly cached: boolean;
  /** The definition key under which it is recorded. */
  readonly definition: CacheKey;
}

/** What an edge needs of its job. */
export interface EdgeHost<O, R> {
  readonly handler: OpHandler<O, R>;
  readonly storage: CacheStorage<R>;
  readonly scheduler: Scheduler<StepOutcome<R>>;
  /** Aborts when the job is cancelled or has failed. */
  readonly signal: AbortSignal;
  /** Sees to the definition key of `edge`; always waits at least once. */
  define(edge: Edge<O, R>): Promise<void>;
  /** Found without looking at the inputs. */
  foundByDefinition(edge: Edge<O, R>): void;
  /** The inputs' results are needed. */
  needsInputs(edge: Edge<O, R>): void;
  executed(): void;
  /** Reports a failure of `edge` itself, not of its inputs; returns what to throw. */
  failed(edge: Edge<O, R>, error: unknown): unknown;
}

interface Definition {
  readonly key: CacheKey;
  /** Something that enters the key ignores the cache, so what is recorded under the key is not what will be made. */
  readonly outdated: boolean;
}

export class Edge<O, R> {
  readonly vertex: Vertex<O>;
  readonly inputs: readonly Edge<O, R>[];
  readonly progress: VertexProgress;
  /** Place in topological order. */
  readonly index: number;
  /** Set if any of the equal vertices that this edge stands for says so. */
  ignoreCache = false;
  /** Uses by edges that may still ask for the result. */
  openUses = 0;
  needed = false;
  readonly #host: EdgeHost<O, R>;
  readonly #contentDigests: (Promise<Digest> | undefined)[] = [];
  #map: CacheMap | undefined;
  #definition: Definition | undefined;
  #solved: Promise<Solved<R>> | undefined;

  constructor(
    vertex: Vertex<O>,
    inputs: readonly Edge<O, R>[],
    index: number,
    progress: VertexProgress,
    host: EdgeHost<O, R>,
  ) {
    this.vertex = vertex;
    this.inputs = inputs;
    this.index = index;
    this.progress = progress;
    this.#host = host;
  }

  get map(): CacheMap {
    if (!this.#map) throw new Error(`the cache map of "${this.vertex.name}" is not loaded`);
    return this.#map;
  }

  get isSource(): boolean {
    return this.map.policy === 'source';
  }

  /** Asks the handler for the cache map; everything else needs that of the vertex and of its inputs. */
  async loadMap(): Promise<void> {
    this.#map ??= await this.#step(async () => {
      const map = await this.#host.handler.cacheMap(this.vertex);
      if (map.inputs.length !== this.inputs.length) {
        throw new Error(
          `the cache map of "${this.vertex.name}" has ${map.inputs.length} inputs instead of ${this.inputs.length}`,
        );
      }
      return map;
    });
  }

  /** The inputs whose definition keys are part of this one's. */
  definedBy(): Edge<O, R>[] {
    return this.isSource
      ? []
      : this.inputs.filter((input, index) => !input.isSource && this.#use(index).kind !== 'none');
  }

  /** The parts of the definition key that sources have to be looked at for. */
  sourceParts(): Promise<ContentPart>[] {
    if (this.isSource) return [];
    return this.map.inputs.flatMap((use, index) =>
      this.#input(index).isSource && use.kind !== 'none' ? [this.#contentPart(use, index)] : [],
    );
  }

  get isDefined(): boolean {
    return this.#definition !== undefined;
  }

  /** Makes the definition key from those of `definedBy` and the values of `sourceParts`, which are taken from `sources` in order. */
  define(sources: Iterator<ContentPart>): void {
    let outdated = false;
    const parts = this.map.inputs.map((use, index): DefinitionPart => {
      if (use.kind === 'none') return use;
      const input = this.#input(index);
      if (input.isSource) {
        const next = sources.next();
        if (next.done === true) throw new Error(`a source of "${this.vertex.name}" was not looked at`);
        return next.value;
      }
      const definition = input.#defined();
      outdated ||= input.ignoreCache || definition.outdated;
      return { kind: 'definition', key: definition.key };
    });
    this.#definition = { key: definitionKey(this.map.opDigest, parts), outdated };
  }

  #defined(): Definition {
    if (!this.#definition) throw new Error(`"${this.vertex.name}" has no definition key yet`);
    return this.#definition;
  }

  /** The result; rejects once everything that was begun for it has settled. */
  solve(): Promise<Solved<R>> {
    this.#solved ??= this.#solve();
    return this.#solved;
  }

  async #solve(): Promise<Solved<R>> {
    await this.#host.define(this);
    if (this.isSource) return await this.#solveSource();
    const { key, outdated } = this.#defined();
    if (!this.ignoreCache && !outdated) {
      const record = await this.#step(() => this.#host.storage.find(key));
      if (record) {
        this.#host.foundByDefinition(this);
        this.progress.cached();
        return record;
      }
    }
    const inputs = await this.#solveInputs();
    const parts = await settleAll(this.map.inputs.map((use, index) => this.#contentPart(use, index)));
    return await this.#solveByContent(contentKey(this.map.opDigest, parts), key, inputs);
  }

  /** A source is executed by every job for itself: what it stands for differs between jobs. */
  async #solveSource(): Promise<Solved<R>> {
    const inputs = await this.#solveInputs();
    const solved = await this.#step(async () => {
      const run = async (): Promise<Solved<R>> => {
        this.progress.start();
        return await this.#host.handler.execute(this.vertex, resultsOf(inputs), this.#context());
      };
      if (!this.#host.handler.needsSlot(this.vertex)) return await run();
      return await this.#host.scheduler.slot(run, this.#host.signal);
    });
    this.progress.completed();
    return solved;
  }

  async #solveByContent(content: CacheKey, definition: CacheKey, inputs: readonly Solved<R>[]): Promise<Solved<R>> {
    const { scheduler, signal, storage } = this.#host;
    const outcome = await this.#step(async () => {
      const shared = await scheduler.share(
        // A job that ignores the cache must not be given what another one found in it.
        this.ignoreCache ? `${content} anew` : content,
        (operation) => this.#perform(content, definition, inputs, operation),
        this.progress,
        { signal, sessionBound: this.inputs.some((input) => input.isSource) },
      );
      if (shared.definition !== definition) await storage.save([definition], shared.solved, this.vertex.name);
      return shared;
    });
    if (outcome.cached) {
      this.progress.cached();
    } else {
      this.#host.executed();
      this.progress.completed();
    }
    return outcome.solved;
  }

  /** The part that concurrent jobs do once. Looking up is inside, so that nobody misses a record that was just being made. */
  async #perform(
    content: CacheKey,
    definition: CacheKey,
    inputs: readonly Solved<R>[],
    operation: RunningOperation,
  ): Promise<StepOutcome<R>> {
    const { handler, scheduler, storage } = this.#host;
    if (!this.ignoreCache) {
      const found = await storage.find(content);
      if (found) {
        await storage.save([definition], found, this.vertex.name);
        return { solved: found, cached: true, definition };
      }
    }
    throwIfAborted(operation.signal);
    const run = async (): Promise<Solved<R>> => {
      operation.start();
      return await handler.execute(this.vertex, resultsOf(inputs), this.#context(operation));
    };
    const solved = handler.needsSlot(this.vertex) ? await scheduler.slot(run, operation.signal) : await run();
    await storage.save([definition, content], solved, this.vertex.name);
    return { solved, cached: false, definition };
  }

  async #solveInputs(): Promise<Solved<R>[]> {
    this.#host.needsInputs(this);
    const inputs = await settleAll(this.inputs.map((input) => input.solve()));
    throwIfAborted(this.#host.signal);
    return inputs;
  }

  /** Solves the input if nobody did. */
  async #contentPart(use: InputUse, index: number): Promise<ContentPart> {
    switch (use.kind) {
      case 'none':
        return use;
      case 'whole':
        return { kind: 'identity', identity: (await this.#input(index).solve()).identity };
      case 'content':
        return { kind: 'content', digest: await this.#contentDigest(index) };
      default:
        return unreachable(use);
    }
  }

  #contentDigest(index: number): Promise<Digest> {
    return (this.#contentDigests[index] ??= this.#digestInput(index));
  }

  async #digestInput(index: number): Promise<Digest> {
    const { result } = await this.#input(index).solve();
    const inputOf = async (other: number): Promise<R> => (await this.#input(other).solve()).result;
    return await this.#step(() =>
      this.#host.handler.contentDigest(this.vertex, index, result, this.#context(), inputOf),
    );
  }

  #use(index: number): InputUse {
    const use = this.map.inputs[index];
    if (!use) throw new Error(`vertex "${this.vertex.name}" has no input ${index}`);
    return use;
  }

  #input(index: number): Edge<O, R> {
    const input = this.inputs[index];
    if (!input) throw new Error(`vertex "${this.vertex.name}" has no input ${index}`);
    return input;
  }

  #context(operation?: RunningOperation): OpContext {
    const output = operation ?? this.progress;
    return {
      signal: operation?.signal ?? this.#host.signal,
      vertex: this.progress.vertex,
      log: (stream, data) => output.log(stream, data),
      status: (id, currentBytes, totalBytes) => output.status(id, currentBytes, totalBytes),
    };
  }

  /** Something that this vertex does itself, so that what goes wrong is its failure. */
  async #step<T>(run: () => Promise<T>): Promise<T> {
    try {
      throwIfAborted(this.#host.signal);
      return await run();
    } catch (error) {
      throw this.#host.failed(this, error);
    }
  }
}

function resultsOf<R>(solved: readonly Solved<R>[]): R[] {
  return solved.map(({ result }) => result);
}
