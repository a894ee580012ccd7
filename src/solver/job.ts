/** One client's solve: its edges, its progress, and how it ends. */
import { setMaxListeners } from 'node:events';
import { BuildError } from '../core/errors.ts';
import type { ProgressSink } from '../core/progress.ts';
import type { EdgeHost, StepOutcome } from './edge.ts';
import { Edge } from './edge.ts';
import { topologicalOrder } from './graph.ts';
import { Scheduler } from './scheduler.ts';
import { settleAll } from './settle.ts';
import type { CacheStorage, OpHandler, SolveOutcome, SolverOptions, SolveRequest, Solver, Vertex } from './types.ts';
import { VertexProgress } from './vertex-progress.ts';

export function createSolver<O, R>(options: SolverOptions<O, R>): Solver<O, R> {
  const scheduler = new Scheduler<StepOutcome<R>>(options.parallelism);
  return {
    async solve(request, progress) {
      return await new Job(options, scheduler, request, progress).run();
    },
  };
}

class Job<O, R> implements EdgeHost<O, R> {
  readonly handler: OpHandler<O, R>;
  readonly storage: CacheStorage<R>;
  readonly scheduler: Scheduler<StepOutcome<R>>;
  readonly #request: SolveRequest<O, R>;
  readonly #controller = new AbortController();
  /** In topological order, the target last. */
  readonly #edges: readonly Edge<O, R>[];
  #failure: { readonly error: unknown } | undefined;
  #cached = true;

  constructor(
    options: SolverOptions<O, R>,
    scheduler: Scheduler<StepOutcome<R>>,
    request: SolveRequest<O, R>,
    sink: ProgressSink,
  ) {
    this.handler = request.handler ?? options.handler;
    this.storage = options.storage;
    this.scheduler = scheduler;
    this.#request = request;
    // Every waiting step listens.
    setMaxListeners(0, this.#controller.signal);
    this.#edges = this.#buildEdges(sink, options.clock ?? Date.now);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async run(): Promise<SolveOutcome<R>> {
    const { signal } = this.#request;
    const cancel = (): void => {
      const reason: unknown = signal.reason;
      this.#end(
        reason instanceof BuildError
          ? reason
          : new BuildError('cancelled', 'The build was cancelled', { cause: reason }),
      );
    };
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      await settleAll(this.#edges.map((edge) => edge.loadMap()));
      const solved = await this.#target().solve();
      if (this.#failure) throw this.#failure.error;
      return { result: solved.result, identity: solved.identity, cached: this.#cached };
    } catch (error) {
      // The first failure, not the first one that reached the target.
      throw this.#failure ? this.#failure.error : error;
    } finally {
      signal.removeEventListener('abort', cancel);
      // A vertex that reported something while its keys were made, and then was not needed any more.
      for (const edge of this.#edges) edge.progress.cancelled();
    }
  }

  async define(edge: Edge<O, R>): Promise<void> {
    const missing = undefinedEdges(edge);
    // All sources at once, then the keys without waiting: a fully cached build consists of this and one look-up.
    const parts = await settleAll(missing.flatMap((next) => next.sourceParts()));
    const remaining = parts.values();
    for (const next of missing) next.define(remaining);
  }

  foundByDefinition(edge: Edge<O, R>): void {
    const unneeded: Edge<O, R>[] = [];
    const pending = [edge];
    for (let next = pending.pop(); next; next = pending.pop()) {
      for (const input of next.inputs) {
        if (--input.openUses > 0 || input.needed) continue;
        unneeded.push(input);
        pending.push(input);
      }
    }
    for (const input of unneeded.sort((a, b) => a.index - b.index)) input.progress.cached();
  }

  needsInputs(edge: Edge<O, R>): void {
    for (const input of edge.inputs) input.needed = true;
  }

  executed(): void {
    this.#cached = false;
  }

  failed(edge: Edge<O, R>, error: unknown): unknown {
    const located = error instanceof BuildError ? error.at(edge.vertex.locations) : error;
    if (isCancellation(error, this.signal.aborted)) edge.progress.cancelled();
    else edge.progress.failed(asBuildError(located, edge.vertex));
    this.#end(located);
    return located;
  }

  /** The first end counts; everything that still runs is told to stop. */
  #end(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#controller.abort(
      error instanceof BuildError && error.code === 'cancelled'
        ? error
        : new BuildError('cancelled', 'The step was stopped because another one failed', { cause: error }),
    );
  }

  #target(): Edge<O, R> {
    const target = this.#edges.at(-1);
    if (!target) throw new Error('a graph has at least its target');
    return target;
  }

  /** One edge for equal vertices: they would do the same and be told apart by nobody. */
  #buildEdges(sink: ProgressSink, clock: () => number): Edge<O, R>[] {
    const byDigest = new Map<string, Edge<O, R>>();
    const edgeOf = (vertex: Vertex<O>): Edge<O, R> => {
      const edge = byDigest.get(vertex.digest);
      if (!edge) throw new Error(`vertex "${vertex.name}" comes before its inputs`);
      return edge;
    };
    for (const vertex of topologicalOrder(this.#request.target)) {
      let edge = byDigest.get(vertex.digest);
      if (!edge) {
        const inputs = vertex.inputs.map(edgeOf);
        const progress = new VertexProgress({ digest: vertex.digest, name: vertex.name }, sink, clock);
        edge = new Edge(vertex, inputs, byDigest.size, progress, this);
        for (const input of inputs) input.openUses++;
        byDigest.set(vertex.digest, edge);
      }
      edge.ignoreCache ||= vertex.ignoreCache;
    }
    return [...byDigest.values()];
  }
}

/** What has to be defined for `edge` to be, inputs first. */
function undefinedEdges<O, R>(edge: Edge<O, R>): Edge<O, R>[] {
  const found = new Set<Edge<O, R>>();
  const pending = edge.isDefined || edge.isSource ? [] : [edge];
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    for (const input of next.definedBy()) if (!input.isDefined) pending.push(input);
  }
  return [...found].sort((a, b) => a.index - b.index);
}

function isCancellation(error: unknown, aborted: boolean): boolean {
  return error instanceof BuildError ? error.code === 'cancelled' : aborted;
}

/** For the progress event; the job itself rejects with the error as it is. */
function asBuildError(error: unknown, vertex: Vertex<unknown>): BuildError {
  if (error instanceof BuildError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BuildError('runtime-failed', `Cannot perform "${vertex.name}": ${message}`, {
    locations: vertex.locations,
    cause: error,
  });
}
