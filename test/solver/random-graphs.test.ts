/** The solver's promises, on graphs nobody thought of. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { ProgressEvent } from '../../src/core/progress.ts';
import { topologicalOrder } from '../../src/solver/graph.ts';
import { createSolver } from '../../src/solver/job.ts';
import type { ToyVertex } from './toys.ts';
import { MemoryStorage, ToyHandler, Toys, grammarErrors } from './toys.ts';

const test = suite('solver on random graphs');

interface Shape {
  /** Per vertex: inputs as earlier vertices, and how each is used. */
  readonly vertices: readonly {
    readonly inputs: readonly number[];
    readonly content: boolean;
    readonly slot: boolean;
  }[];
  readonly parallelism: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  vertices: fc.array(
    fc.record({ inputs: fc.array(fc.nat(1000), { maxLength: 3 }), content: fc.boolean(), slot: fc.boolean() }),
    { minLength: 1, maxLength: 25 },
  ),
  parallelism: fc.integer({ min: 1, max: 4 }),
});

/** Every vertex gets a number of its own, so that no two results are equal by chance. */
function build(shape: Shape, changed?: number): { target: ToyVertex; all: ToyVertex[] } {
  const toys = new Toys();
  const all: ToyVertex[] = [];
  for (const [index, { inputs, content, slot }] of shape.vertices.entries()) {
    const chosen = index === 0 ? [] : [...new Set(inputs.map((input) => input % index))];
    all.push(
      toys.vertex(
        `v${index}`,
        chosen.map((input) => all[input]).filter((input) => input !== undefined),
        {
          add: 3 ** index + (index === changed ? 0.5 : 0),
          uses: chosen.map(() => (content ? 'content' : 'whole')),
          slot,
        },
      ),
    );
  }
  // A target that needs every vertex.
  const target = toys.vertex('target', all, { add: 0.25 });
  return { target, all };
}

/** The result by the definition of a toy vertex. */
function expected(target: ToyVertex): number {
  const values = new Map<ToyVertex, number>();
  for (const vertex of topologicalOrder(target)) {
    values.set(
      vertex,
      vertex.inputs.reduce((sum, input) => sum + (values.get(input) ?? 0), vertex.op.add),
    );
  }
  return values.get(target) ?? Number.NaN;
}

async function solve(
  target: ToyVertex,
  parallelism: number,
  handler: ToyHandler,
  storage: MemoryStorage,
  onEvent: (event: ProgressEvent, controller: AbortController) => void = () => {},
) {
  const events: ProgressEvent[] = [];
  const controller = new AbortController();
  const solver = createSolver({ handler, storage, parallelism });
  try {
    return await solver.solve({ target, signal: controller.signal }, (event) => {
      events.push(event);
      onEvent(event, controller);
    });
  } finally {
    assert.equal(grammarErrors(events), []);
    assert.is(handler.active, 0);
    assert.ok(handler.mostSlotsInUse <= parallelism);
  }
}

test('results are right, vertices run once, and a change costs what depends on it', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat(1000), async (shape, choice) => {
      const storage = new MemoryStorage();
      const first = new ToyHandler();
      const { target } = build(shape);
      const outcome = await solve(target, shape.parallelism, first, storage);
      assert.is(outcome.result, expected(target));
      assert.is(outcome.cached, false);
      assert.is(first.executions.size, shape.vertices.length + 1);
      assert.ok([...first.executions.values()].every((count) => count === 1));

      const second = new ToyHandler();
      const again = await solve(build(shape).target, shape.parallelism, second, storage);
      assert.is(again.result, outcome.result);
      assert.is(again.cached, true);
      assert.is(second.total, 0);

      const changed = choice % shape.vertices.length;
      const third = new ToyHandler();
      const other = build(shape, changed);
      assert.is((await solve(other.target, shape.parallelism, third, storage)).result, expected(other.target));
      const dependants = topologicalOrder(other.target).filter((vertex) =>
        topologicalOrder(vertex).some((needed) => needed.op.id === `v${changed}`),
      );
      assert.equal([...third.executions.keys()].sort(), dependants.map(({ op }) => op.id).sort());
    }),
    { numRuns: 40 },
  );
});

test('whatever fails or is cancelled, nothing runs on, and a later solve finishes the work', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat(1000), fc.nat(30), fc.boolean(), async (shape, choice, abortAfter, failing) => {
      const storage = new MemoryStorage();
      const handler = new ToyHandler();
      const { target } = build(shape);
      const victim = `v${choice % shape.vertices.length}`;
      if (failing) handler.failures.set(victim, new BuildError('run-failed', 'The command failed'));
      let seen = 0;
      let code: string | undefined;
      try {
        await solve(target, shape.parallelism, handler, storage, (_event, controller) => {
          if (!failing && seen++ === abortAfter) controller.abort();
        });
      } catch (error) {
        if (!(error instanceof BuildError)) throw error;
        code = error.code;
      }
      if (failing) assert.is(code, 'run-failed');
      else assert.is(code, seen > abortAfter ? 'cancelled' : undefined);
      const finished = new Set([...storage.records.values()].map(({ result }) => result)).size;
      handler.failures.clear();
      const before = handler.total;
      assert.is((await solve(target, shape.parallelism, handler, storage)).result, expected(target));
      assert.is(handler.total - before, shape.vertices.length + 1 - finished, 'finished work is not done again');
    }),
    { numRuns: 60 },
  );
});

test('any number of concurrent jobs on one solver execute each vertex once', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer({ min: 2, max: 4 }), async (shape, jobs) => {
      const handler = new ToyHandler();
      const solver = createSolver({ handler, storage: new MemoryStorage(), parallelism: shape.parallelism });
      const outcomes = await Promise.all(
        Array.from({ length: jobs }, async () => {
          const { target } = build(shape);
          return {
            wanted: expected(target),
            ...(await solver.solve({ target, signal: new AbortController().signal }, () => {})),
          };
        }),
      );
      for (const { result, wanted } of outcomes) assert.is(result, wanted);
      assert.ok([...handler.executions.values()].every((count) => count === 1));
    }),
    { numRuns: 30 },
  );
});

test.run();
