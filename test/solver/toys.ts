/** Toy vertices: numbers instead of file systems, and doors that the test opens instead of delays. */
import type { Digest } from '../../src/core/digest.ts';
import { digestOf } from '../../src/core/digest.ts';
import { canonicalJson } from '../../src/core/canonical.ts';
import { BuildError } from '../../src/core/errors.ts';
import type { ProgressEvent } from '../../src/core/progress.ts';
import { GraphBuilder } from '../../src/solver/graph.ts';
import type {
  CacheKey,
  CacheMap,
  CacheRecord,
  CacheStorage,
  InputUse,
  OpContext,
  OpHandler,
  Solved,
  Vertex,
} from '../../src/solver/types.ts';

export interface ToyOp {
  /** Names the vertex in counters and doors. */
  readonly id: string;
  /** The result is this plus the inputs, modulo `modulus` if there is one. */
  readonly add: number;
  readonly modulus?: number;
  /** One per input; default: all whole. */
  readonly uses?: readonly InputUse['kind'][];
  readonly source?: boolean;
  /** Default: true. */
  readonly slot?: boolean;
  /** What `contentDigest` looks at is the input modulo this. */
  readonly looksAtModulo?: number;
}

export type ToyVertex = Vertex<ToyOp>;

export class Deferred<T = void> {
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;
  readonly promise: Promise<T>;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** A closed door in an operation: `reached` when the operation stands before it. */
export class Door {
  readonly reached = new Deferred();
  readonly opened = new Deferred();

  open(): void {
    this.opened.resolve();
  }

  fail(error: unknown): void {
    this.opened.reject(error);
  }

  async pass(signal: AbortSignal): Promise<void> {
    this.reached.resolve();
    const aborted = new Deferred<never>();
    const abort = (): void => aborted.reject(new BuildError('cancelled', 'stopped at a door'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.opened.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

export class ToyHandler implements OpHandler<ToyOp, number> {
  readonly executions = new Map<string, number>();
  readonly digests = new Map<string, number>();
  readonly doors = new Map<string, Door>();
  readonly failures = new Map<string, unknown>();
  readonly digestFailures = new Map<string, unknown>();
  /** Values of sources, by id; else `add`. */
  readonly sources = new Map<string, number>();
  /** Called when an operation stops because of its signal, before it rejects. */
  onStop: (id: string) => Promise<void> = async () => {};
  /** Identity of results; default: by value. */
  identityOf: (id: string, value: number) => Digest = (_id, value) => digestOf(`toy ${value}`);
  slotsInUse = 0;
  mostSlotsInUse = 0;
  active = 0;

  door(id: string): Door {
    const door = new Door();
    this.doors.set(id, door);
    return door;
  }

  count(id: string): number {
    return this.executions.get(id) ?? 0;
  }

  get total(): number {
    return [...this.executions.values()].reduce((sum, count) => sum + count, 0);
  }

  async cacheMap({ op, inputs }: ToyVertex): Promise<CacheMap> {
    return {
      opDigest: digestOf(`toy.v1\0${canonicalJson({ ...op, id: undefined, slot: undefined })}`),
      inputs: inputs.map((_, index) => ({ kind: op.uses?.[index] ?? 'whole' })),
      policy: op.source === true ? 'source' : 'record',
    };
  }

  async contentDigest({ op }: ToyVertex, index: number, input: number): Promise<Digest> {
    const name = `${op.id}#${index}`;
    this.digests.set(name, (this.digests.get(name) ?? 0) + 1);
    const failure = this.digestFailures.get(op.id);
    if (failure !== undefined) throw failure;
    return digestOf(`content ${op.looksAtModulo === undefined ? input : input % op.looksAtModulo}`);
  }

  needsSlot({ op }: ToyVertex): boolean {
    return op.slot !== false;
  }

  async execute(vertex: ToyVertex, inputs: readonly number[], context: OpContext): Promise<Solved<number>> {
    const { op } = vertex;
    const slots = this.needsSlot(vertex) ? 1 : 0;
    this.executions.set(op.id, this.count(op.id) + 1);
    this.slotsInUse += slots;
    this.mostSlotsInUse = Math.max(this.mostSlotsInUse, this.slotsInUse);
    this.active++;
    try {
      context.log('stdout', Buffer.from(`run ${op.id}\n`));
      await this.doors.get(op.id)?.pass(context.signal);
      // Even without a door an operation is not done at once.
      await Promise.resolve();
      const failure = this.failures.get(op.id);
      if (failure !== undefined) throw failure;
      const value = op.source === true ? (this.sources.get(op.id) ?? op.add) : op.add;
      const sum = inputs.reduce((total, input) => total + input, value);
      const result = op.modulus === undefined ? sum : sum % op.modulus;
      return { result, identity: this.identityOf(op.id, result) };
    } catch (error) {
      if (context.signal.aborted) await this.onStop(op.id);
      throw error;
    } finally {
      this.slotsInUse -= slots;
      this.active--;
    }
  }
}

export class MemoryStorage implements CacheStorage<number> {
  readonly records = new Map<CacheKey, CacheRecord<number>>();
  finds = 0;
  saves = 0;
  now = 0;

  async find(key: CacheKey): Promise<CacheRecord<number> | undefined> {
    this.finds++;
    return this.records.get(key);
  }

  async save(keys: readonly CacheKey[], solved: Solved<number>): Promise<void> {
    this.saves++;
    const record = { result: solved.result, identity: solved.identity, createdAtMs: this.now };
    for (const key of keys) this.records.set(key, record);
  }
}

export interface ToyOptions extends Omit<ToyOp, 'id' | 'add'> {
  readonly add?: number;
  readonly ignoreCache?: boolean;
  /** Line in a pretended Dockerfile. */
  readonly line?: number;
}

/** Makes the vertices of one graph. */
export class Toys {
  readonly #graph = new GraphBuilder<ToyOp>();

  vertex(id: string, inputs: readonly ToyVertex[] = [], { ignoreCache, line, add, ...op }: ToyOptions = {}): ToyVertex {
    const position = { line: line ?? 1, column: 1 };
    return this.#graph.add({
      op: { id, add: add ?? 0, ...op },
      inputs,
      name: id,
      ...(ignoreCache !== undefined && { ignoreCache }),
      ...(line !== undefined && {
        locations: [{ file: { name: 'Dockerfile', text: '' }, start: position, end: position }],
      }),
    });
  }
}

/** Events by vertex name: `a started`, `a completed`, …; outputs left out. */
export function summary(events: readonly ProgressEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === 'warning' || event.kind === 'log' || event.kind === 'status'
      ? []
      : [`${event.vertex.name} ${event.kind}`],
  );
}

/** What is wrong with the order of events, if anything: started → (log | status)* → one end; a cached vertex may not have started. */
export function grammarErrors(events: readonly ProgressEvent[]): string[] {
  const states = new Map<string, 'started' | 'ended'>();
  const errors: string[] = [];
  for (const event of events) {
    if (event.kind === 'warning') continue;
    const { name } = event.vertex;
    const state = states.get(name);
    const allowed =
      event.kind === 'started'
        ? state === undefined
        : event.kind === 'cached'
          ? state !== 'ended'
          : state === 'started';
    if (!allowed) errors.push(`${name}: ${event.kind} while ${state ?? 'waiting'}`);
    const ends = event.kind !== 'started' && event.kind !== 'log' && event.kind !== 'status';
    states.set(name, ends ? 'ended' : 'started');
  }
  for (const [name, state] of states) if (state === 'started') errors.push(`${name}: never ended`);
  return errors;
}
