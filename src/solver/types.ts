/**
 * The solver turns a graph of vertices into results, running as little as possible.
 *
 * It knows vertices, edges and keys, never containers: what an operation is (`O`) and what a result is (`R`) are the business of the
 * `OpHandler`, so that the solver is tested with toy vertices. A vertex is solved once, however many others need it:
 *
 * 1. *definition key*: operation and the definition keys of its inputs. Known before anything runs; a record under it ends the search,
 *    and the inputs are never looked at.
 * 2. *content key*: the inputs are solved, and each is replaced by the digest of what the operation uses of it. Finds a result whose
 *    inputs were made in another way but have the same content.
 * 3. execution, when neither key has a record. Its result is saved under both keys.
 */
import type { Digest } from '../core/digest.ts';
import type { ProgressSink, VertexInfo } from '../core/progress.ts';
import type { SourceRange } from '../core/source.ts';

declare const brand: unique symbol;
export type CacheKey = Digest & { readonly [brand]: 'cache-key' };

/** A node of the graph: an operation and what it works on. Made by `GraphBuilder`, which makes equal vertices one. */
export interface Vertex<O> {
  /** SHA-256 over the canonical encoding of the operation and the inputs' digests. */
  readonly digest: Digest;
  readonly op: O;
  readonly inputs: readonly Vertex<O>[];
  /** What the user sees: `[build 2/5] RUN make`. */
  readonly name: string;
  /** The instruction it came from, for errors. */
  readonly locations: readonly SourceRange[];
  /** Execute without asking the cache (`--no-cache`); the result is recorded nevertheless. */
  readonly ignoreCache: boolean;
}

/** How one input enters the keys of a vertex. */
export type InputUse =
  /** The whole result, as an identity: a RUN's root. */
  | { readonly kind: 'whole' }
  /** Only what `contentDigest` says about it. */
  | { readonly kind: 'content' }
  /** Not at all. */
  | { readonly kind: 'none' };

export interface CacheMap {
  /** Versioned and canonical: `digestOf('tsbuild.exec.v1\0' + json)`. Two equal operations have equal digests. */
  readonly opDigest: Digest;
  /** One per input. */
  readonly inputs: readonly InputUse[];
  /**
   * `record`: results are remembered. `source`: the operation is cheap and session-bound (a local directory): it is always executed,
   * has no keys of its own, and enters the keys of others by content only.
   */
  readonly policy: 'record' | 'source';
}

/** A result with the identity that whole-result keys use: two results with equal content may share one. */
export interface Solved<R> {
  readonly result: R;
  readonly identity: Digest;
}

/** What the solver needs to be told about operations and results. */
export interface OpHandler<O, R> {
  cacheMap(vertex: Vertex<O>): Promise<CacheMap>;
  /**
   * Digest of what `vertex` uses of its input number `index`, whose use is `content`. What that is may depend on the other inputs, which
   * `inputOf` solves.
   */
  contentDigest(
    vertex: Vertex<O>,
    index: number,
    input: R,
    context: OpContext,
    inputOf: (index: number) => Promise<R>,
  ): Promise<Digest>;
  /** Whether the operation takes one of the limited slots (a running command). Inputs are never awaited inside a slot. */
  needsSlot(vertex: Vertex<O>): boolean;
  /** Performs the operation. Must reject with `cancelled` soon after `context.signal` aborts, leaving nothing behind. */
  execute(vertex: Vertex<O>, inputs: readonly R[], context: OpContext): Promise<Solved<R>>;
}

export interface OpContext {
  readonly signal: AbortSignal;
  readonly vertex: VertexInfo;
  log(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  status(id: string, currentBytes: number, totalBytes?: number): void;
}

/** A stored result. */
export interface CacheRecord<R> extends Solved<R> {
  readonly createdAtMs: number;
}

/** Where results outlive the process. Every implementation passes test/conformance/cache-storage.ts. */
export interface CacheStorage<R> {
  /** The record under `key`, if it exists and its result can still be loaded; marks it as used now. */
  find(key: CacheKey): Promise<CacheRecord<R> | undefined>;
  /** Stores `solved` under `keys`; an existing entry is replaced. `description` is for people. */
  save(keys: readonly CacheKey[], solved: Solved<R>, description: string): Promise<void>;
}

/** One client's wish. */
export interface SolveRequest<O, R = never> {
  readonly target: Vertex<O>;
  readonly signal: AbortSignal;
  /**
   * Performs this job's operations instead of the solver's handler: for what belongs to one client, such as its files and secrets.
   * What it refers to is not used after `solve` settled, except by an operation without sources that another job waits for.
   */
  readonly handler?: OpHandler<O, R>;
}

export interface SolveOutcome<R> extends Solved<R> {
  /** Whether nothing but sources had to be executed. */
  readonly cached: boolean;
}

export interface SolverOptions<O, R> {
  readonly handler: OpHandler<O, R>;
  readonly storage: CacheStorage<R>;
  /** Operations that need a slot at a time, over all jobs; at least 1. */
  readonly parallelism: number;
  /** Milliseconds since 1970, for progress events; default: the system's. */
  readonly clock?: () => number;
}

/** Solves any number of jobs at a time; equal steps of concurrent jobs run once. */
export interface Solver<O, R> {
  /**
   * The result of `request.target`. Rejects with the first failure, located at its vertex, or with `cancelled` once `request.signal`
   * aborts; either way only after everything that the job began has ended. Errors are never remembered.
   */
  solve(request: SolveRequest<O, R>, progress: ProgressSink): Promise<SolveOutcome<R>>;
}
