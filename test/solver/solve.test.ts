/** Results, keys and what is executed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProgressEvent } from '../../src/core/progress.ts';
import { digestOf } from '../../src/core/digest.ts';
import { createSolver } from '../../src/solver/job.ts';
import type { SolveOutcome } from '../../src/solver/types.ts';
import type { ToyVertex } from './toys.ts';
import { MemoryStorage, ToyHandler, Toys, grammarErrors, summary } from './toys.ts';

const test = suite('solver');

interface Rig {
  readonly handler: ToyHandler;
  readonly storage: MemoryStorage;
  readonly events: ProgressEvent[];
  readonly solve: (target: ToyVertex) => Promise<SolveOutcome<number>>;
}

function rig(storage = new MemoryStorage()): Rig {
  const handler = new ToyHandler();
  const solver = createSolver({ handler, storage, parallelism: 2, clock: () => 7 });
  const events: ProgressEvent[] = [];
  return {
    handler,
    storage,
    events,
    async solve(target) {
      events.length = 0;
      const outcome = await solver.solve({ target, signal: new AbortController().signal }, (event) =>
        events.push(event),
      );
      assert.equal(grammarErrors(events), []);
      return outcome;
    },
  };
}

test('solves inputs before what uses them, and each vertex of a diamond once', async () => {
  const { handler, events, solve } = rig();
  const toys = new Toys();
  const base = toys.vertex('base', [], { add: 1 });
  const target = toys.vertex('top', [
    toys.vertex('left', [base], { add: 10 }),
    toys.vertex('right', [base], { add: 20 }),
  ]);
  const outcome = await solve(target);
  assert.is(outcome.result, 32);
  assert.is(outcome.cached, false);
  assert.equal(
    [...handler.executions],
    [
      ['base', 1],
      ['left', 1],
      ['right', 1],
      ['top', 1],
    ],
  );
  const order = summary(events);
  assert.ok(order.indexOf('base completed') < order.indexOf('left started'));
  assert.ok(order.indexOf('right completed') < order.indexOf('top started'));
  assert.is(order.length, 8);
  assert.ok(events.every((event) => event.timeMs === 7));
});

test('a hit of the target ends the search: one look-up, every ancestor reported in topological order', async () => {
  const { handler, storage, events, solve } = rig();
  const toys = new Toys();
  const base = toys.vertex('base', [], { add: 1 });
  const target = toys.vertex('top', [
    toys.vertex('left', [base], { add: 1 }),
    toys.vertex('right', [base], { add: 2 }),
  ]);
  await solve(target);
  storage.finds = 0;
  handler.executions.clear();
  const outcome = await solve(target);
  assert.is(outcome.result, 5);
  assert.is(outcome.cached, true);
  assert.is(storage.finds, 1);
  assert.is(handler.total, 0);
  assert.equal(summary(events), ['base cached', 'left cached', 'right cached', 'top cached']);
});

test('a vertex behind a hit is not reported as cached while another one executes it', async () => {
  const first = rig();
  const toys = new Toys();
  const base = toys.vertex('base', [], { add: 1 });
  const left = toys.vertex('left', [base], { add: 1 });
  await first.solve(left);
  for (const [key, record] of first.storage.records) if (record.result === 1) first.storage.records.delete(key);
  const { handler, events, solve } = rig(first.storage);
  await solve(toys.vertex('top', [left, toys.vertex('right', [base], { add: 5 })]));
  assert.is(handler.count('base'), 1);
  assert.is(handler.count('left'), 0);
  const order = summary(events);
  assert.ok(order.includes('base completed'));
  assert.not.ok(order.includes('base cached'));
  assert.ok(order.includes('left cached'));
});

test('finds a result by content when its input was made in another way', async () => {
  const { handler, storage, events, solve } = rig();
  const toys = new Toys();
  await solve(toys.vertex('copy', [toys.vertex('slow', [], { add: 4 })], { uses: ['content'] }));
  // Another operation with the same result.
  const target = toys.vertex('copy', [toys.vertex('quick', [toys.vertex('three', [], { add: 3 })], { add: 1 })], {
    uses: ['content'],
  });
  const outcome = await solve(target);
  assert.is(outcome.cached, false);
  assert.is(handler.count('copy'), 1);
  assert.ok(summary(events).includes('copy cached'));
  // It is now known by its definition too.
  storage.finds = 0;
  assert.is((await solve(target)).cached, true);
  assert.is(storage.finds, 1);
});

test('looks only at the used part of an input', async () => {
  const { handler, solve } = rig();
  const toys = new Toys();
  const part = (add: number): ToyVertex =>
    toys.vertex('copy', [toys.vertex('build', [], { add })], { uses: ['content'], looksAtModulo: 10 });
  assert.is((await solve(part(13))).result, 13);
  assert.is((await solve(part(23))).result, 13, 'the stored result is taken');
  assert.is(handler.count('copy'), 1);
  assert.is((await solve(part(24))).result, 24);
  assert.is(handler.count('copy'), 2);
});

test('cuts off early: a step that makes what it made before does not invalidate what follows', async () => {
  const { handler, events, solve } = rig();
  const toys = new Toys();
  const after = (input: ToyVertex): ToyVertex =>
    toys.vertex('link', [toys.vertex('compile', [input], { add: 100 })], { add: 7 });
  await solve(after(toys.vertex('generate', [], { add: 12, modulus: 10 })));
  await solve(after(toys.vertex('generate', [], { add: 22, modulus: 10 })));
  assert.is(handler.count('generate'), 2);
  assert.is(handler.count('compile'), 1);
  assert.is(handler.count('link'), 1);
  assert.equal(summary(events).slice(-3), ['generate completed', 'compile cached', 'link cached']);
});

test('an input that is not used enters no key', async () => {
  const { handler, solve } = rig();
  const toys = new Toys();
  const on = (add: number): ToyVertex =>
    toys.vertex('link', [toys.vertex('base', [], { add })], { uses: ['none'], add: 1 });
  await solve(on(1));
  assert.is((await solve(on(2))).cached, true);
  assert.is(handler.count('base'), 1);
  assert.is(handler.count('link'), 1);
});

test('executes a source in every job and keys what uses it by content', async () => {
  const { handler, events, storage, solve } = rig();
  const toys = new Toys();
  const local = toys.vertex('local', [], { source: true });
  const copy = (index: number): ToyVertex =>
    toys.vertex(`copy${index}`, [local], { uses: ['content'], looksAtModulo: 10, add: index });
  const target = toys.vertex('top', [copy(1), copy(2)]);
  handler.sources.set('local', 3);
  assert.is((await solve(target)).result, 9);
  assert.is(handler.count('local'), 1, 'once a job');
  handler.sources.set('local', 13);
  const again = await solve(target);
  assert.is(again.result, 9, 'what is looked at is the same');
  assert.is(again.cached, true);
  assert.is(handler.count('local'), 2);
  assert.equal(summary(events), ['local started', 'local completed', 'copy1 cached', 'copy2 cached', 'top cached']);
  handler.sources.set('local', 4);
  assert.is((await solve(target)).result, 11);
  assert.is(handler.count('copy1'), 2);
  assert.is(handler.digests.get('copy1#0'), 3, 'digested once a job');
  assert.ok(
    [...storage.records.values()].every((record) => record.result !== 3),
    'a source is not recorded',
  );
});

test('a source may be the target, and may be used as a whole by its identity', async () => {
  const { handler, solve } = rig();
  const toys = new Toys();
  const local = toys.vertex('local', [], { source: true });
  handler.sources.set('local', 5);
  assert.is((await solve(local)).result, 5);
  const run = toys.vertex('run', [local], { add: 1 });
  assert.is((await solve(run)).result, 6);
  assert.is((await solve(run)).cached, true);
  handler.sources.set('local', 6);
  assert.is((await solve(run)).result, 7);
  assert.is(handler.count('run'), 2);
});

test('ignoreCache executes anew, records, and does not spread by content', async () => {
  const { handler, storage, solve } = rig();
  const toys = new Toys();
  const graph = (ignoreCache: boolean): ToyVertex =>
    toys.vertex('after', [toys.vertex('run', [toys.vertex('base', [], { add: 1 })], { add: 1, ignoreCache })], {
      add: 1,
    });
  await solve(graph(false));
  const outcome = await solve(graph(true));
  assert.is(outcome.result, 3);
  assert.is(outcome.cached, false);
  assert.is(handler.count('base'), 1, 'what comes before is found');
  assert.is(handler.count('run'), 2);
  assert.is(handler.count('after'), 1, 'what comes after is found by content');
  storage.finds = 0;
  await solve(graph(true));
  assert.is(storage.finds, 2, 'base by definition, after by content only');
  assert.is(handler.count('run'), 3);
});

test('what follows an ignoreCache vertex is not found by its definition when the new result differs', async () => {
  const { handler, solve } = rig();
  const toys = new Toys();
  let time = 0;
  handler.identityOf = (id, value) => digestOf(id === 'date' ? `date ${time++}` : `toy ${value}`);
  const graph = (ignoreCache: boolean): ToyVertex =>
    toys.vertex('after', [toys.vertex('date', [], { add: 1, ignoreCache })], { add: 1 });
  await solve(graph(false));
  await solve(graph(true));
  assert.is(handler.count('after'), 2);
  // The newer one is recorded under the definition keys.
  assert.is((await solve(graph(false))).cached, true);
});

test('equal vertices of one graph are one, and ignore the cache if either does', async () => {
  const { handler, solve } = rig();
  const toys = new Toys();
  const plain = toys.vertex('run', [], { add: 1 });
  const forced = toys.vertex('run', [], { add: 1, ignoreCache: true });
  await solve(toys.vertex('top', [plain, forced]));
  assert.is(handler.count('run'), 1);
  await solve(toys.vertex('top', [plain, forced]));
  assert.is(handler.count('run'), 2);
});

test('vertices that differ in name only share one execution', async () => {
  const { handler, events, solve } = rig();
  const toys = new Toys();
  const outcome = await solve(
    toys.vertex('top', [toys.vertex('one', [], { add: 1 }), toys.vertex('two', [], { add: 1 })]),
  );
  assert.is(outcome.result, 2);
  assert.is(handler.count('one') + handler.count('two'), 1);
  assert.equal(
    summary(events)
      .filter((line) => line.endsWith('completed'))
      .sort(),
    ['one completed', 'top completed', 'two completed'],
  );
});

test('rejects a cache map that does not fit', async () => {
  const { handler, solve } = rig();
  handler.cacheMap = async () => ({ opDigest: digestOf('x'), inputs: [{ kind: 'whole' }], policy: 'record' });
  try {
    await solve(new Toys().vertex('a'));
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /has 1 inputs instead of 0/);
  }
});

test('solves a chain of 5,000 vertices, and finds it again with one look-up', async () => {
  const { handler, storage, solve } = rig();
  const toys = new Toys();
  let vertex = toys.vertex('v0', [], { add: 1 });
  for (let i = 1; i < 5000; i++)
    vertex = toys.vertex(`v${i}`, [vertex], { add: 1, uses: [i % 2 ? 'content' : 'whole'], slot: i % 3 === 0 });
  assert.is((await solve(vertex)).result, 5000);
  assert.is(handler.total, 5000);
  storage.finds = 0;
  assert.is((await solve(vertex)).cached, true);
  assert.is(storage.finds, 1);
  assert.is(handler.total, 5000);
});

test('a chain of 5,000 vertices that ignore the cache needs no stack either', async () => {
  const { handler, solve } = rig();
  const toys = new Toys();
  let vertex = toys.vertex('v0', [], { add: 1 });
  for (let i = 1; i < 5000; i++) vertex = toys.vertex(`v${i}`, [vertex], { add: 1, slot: false, ignoreCache: true });
  assert.is((await solve(vertex)).result, 5000);
  assert.is(handler.total, 5000);
});

test.run();
