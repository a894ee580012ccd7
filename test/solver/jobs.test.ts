/** How jobs end, what they share, and how many slots they take. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { ProgressEvent } from '../../src/core/progress.ts';
import { createSolver } from '../../src/solver/job.ts';
import type { SolveOutcome } from '../../src/solver/types.ts';
import type { ToyVertex } from './toys.ts';
import { Deferred, MemoryStorage, ToyHandler, Toys, grammarErrors, summary } from './toys.ts';

const test = suite('solver jobs');

interface JobRun {
  readonly outcome: Promise<SolveOutcome<number>>;
  readonly events: ProgressEvent[];
  readonly abort: (reason?: unknown) => void;
  /** Resolves once `summary(events)` has the line. */
  readonly seen: (line: string) => Promise<void>;
}

function rig(parallelism = 4) {
  const handler = new ToyHandler();
  const storage = new MemoryStorage();
  const solver = createSolver({ handler, storage, parallelism });
  const start = (target: ToyVertex, own?: ToyHandler): JobRun => {
    const controller = new AbortController();
    const events: ProgressEvent[] = [];
    const expected = new Map<string, Deferred>();
    const request = { target, signal: controller.signal, ...(own && { handler: own }) };
    const outcome = solver.solve(request, (event) => {
      events.push(event);
      for (const line of summary([event])) expected.get(line)?.resolve();
    });
    outcome.catch(() => undefined);
    return {
      outcome,
      events,
      abort: (reason) => controller.abort(reason),
      async seen(line) {
        if (summary(events).includes(line)) return;
        const deferred = new Deferred();
        expected.set(line, deferred);
        await deferred.promise;
      },
    };
  };
  return { handler, storage, start };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.unreachable('it should have failed');
}

async function buildErrorOf(promise: Promise<unknown>): Promise<BuildError> {
  const error = await failureOf(promise);
  if (error instanceof BuildError) return error;
  throw error;
}

test('independent inputs run at the same time', async () => {
  const { handler, start } = rig();
  const toys = new Toys();
  const doors = ['a', 'b', 'c'].map((id) => handler.door(id));
  const job = start(
    toys.vertex('top', [
      toys.vertex('a', [], { add: 1 }),
      toys.vertex('b', [], { add: 2 }),
      toys.vertex('c', [], { add: 3 }),
    ]),
  );
  await Promise.all(doors.map((door) => door.reached.promise));
  assert.is(handler.slotsInUse, 3);
  for (const door of doors) door.open();
  assert.is((await job.outcome).result, 6);
});

test('no more operations than slots, started when they get one', async () => {
  const { handler, start } = rig(2);
  const toys = new Toys();
  const doors = [1, 2, 3].map((n) => handler.door(`v${n}`));
  const job = start(
    toys.vertex(
      'top',
      [1, 2, 3].map((n) => toys.vertex(`v${n}`, [], { add: n })),
    ),
  );
  await Promise.all([doors[0]?.reached.promise, doors[1]?.reached.promise]);
  assert.equal(summary(job.events), ['v1 started', 'v2 started']);
  doors[0]?.open();
  await doors[2]?.reached.promise;
  assert.is(handler.slotsInUse, 2);
  doors[1]?.open();
  doors[2]?.open();
  await job.outcome;
  assert.is(handler.mostSlotsInUse, 2);
});

test('a vertex waiting for its inputs holds no slot', async () => {
  const { start } = rig(1);
  const toys = new Toys();
  let vertex = toys.vertex('v0', [], { add: 1 });
  for (let i = 1; i < 5; i++)
    vertex = toys.vertex(`v${i}`, [vertex, toys.vertex(`w${i}`, [], { add: i * 100 })], { add: 1 });
  assert.is((await start(vertex).outcome).result, 1005);
});

test('operations without need of a slot run beside those that fill them', async () => {
  const { handler, start } = rig(1);
  const toys = new Toys();
  const busy = handler.door('busy');
  const free = handler.door('free');
  const job = start(
    toys.vertex('top', [toys.vertex('busy', [], { add: 1 }), toys.vertex('free', [], { add: 2, slot: false })]),
  );
  await Promise.all([busy.reached.promise, free.reached.promise]);
  busy.open();
  free.open();
  assert.is((await job.outcome).result, 3);
});

test('the first failure ends the job, located, after everything else has stopped', async () => {
  const { handler, storage, start } = rig();
  const toys = new Toys();
  const bad = handler.door('bad');
  const other = handler.door('other');
  const stopping = new Deferred();
  const stopped = new Deferred();
  handler.onStop = async (id) => {
    if (id !== 'other') return;
    stopping.resolve();
    await stopped.promise;
  };
  const job = start(
    toys.vertex('top', [
      toys.vertex('bad', [toys.vertex('base', [], { add: 1 })], { add: 1, line: 7 }),
      toys.vertex('other', [], { add: 2 }),
    ]),
  );
  let settled = false;
  const watched = job.outcome.catch(() => undefined).finally(() => (settled = true));
  await Promise.all([bad.reached.promise, other.reached.promise]);
  bad.fail(new BuildError('run-failed', 'The command failed'));
  await stopping.promise;
  assert.is(settled, false, 'it waits for the operation that is still stopping');
  stopped.resolve();
  await watched;
  const error = await buildErrorOf(job.outcome);
  assert.is(error.code, 'run-failed');
  assert.is(error.locations[0]?.start.line, 7);
  assert.is(handler.active, 0);
  assert.equal(grammarErrors(job.events), []);
  const order = summary(job.events);
  assert.ok(order.includes('bad failed'));
  assert.ok(order.includes('other cancelled'));
  assert.not.ok(order.some((line) => line.startsWith('top')));
  const failed = job.events.find((event) => event.kind === 'failed');
  assert.is(failed?.kind === 'failed' && failed.error.locations.length, 1);
  assert.is(storage.records.size, 2, 'what was finished before is kept, under both keys');
});

test('a failure is not remembered', async () => {
  const { handler, start } = rig();
  const toys = new Toys();
  const target = toys.vertex('flaky', [], { add: 4 });
  handler.failures.set('flaky', new BuildError('run-failed', 'The command failed'));
  await buildErrorOf(start(target).outcome);
  handler.failures.clear();
  assert.is((await start(target).outcome).result, 4);
  assert.is(handler.count('flaky'), 2);
});

test('an error that is no BuildError passes through as it is', async () => {
  const { handler, start } = rig();
  const bug = new TypeError('undefined is not a function');
  handler.failures.set('a', bug);
  const job = start(new Toys().vertex('a'));
  assert.is(await failureOf(job.outcome), bug);
  assert.equal(grammarErrors(job.events), []);
  assert.equal(summary(job.events), ['a started', 'a failed']);
});

test('a failing content digest is the failure of the vertex that uses the content, before anything is executed', async () => {
  const { handler, start } = rig();
  const toys = new Toys();
  const local = toys.vertex('local', [], { source: true });
  handler.digestFailures.set('copy', new BuildError('source-not-found', 'Cannot find "nothing"'));
  const job = start(
    toys.vertex('top', [
      toys.vertex('run', [], { add: 1 }),
      toys.vertex('copy', [local], { uses: ['content'], line: 3 }),
    ]),
  );
  const error = await buildErrorOf(job.outcome);
  assert.is(error.code, 'source-not-found');
  assert.is(error.locations[0]?.start.line, 3);
  assert.is(handler.count('run'), 0);
  assert.equal(summary(job.events), ['local started', 'local completed', 'copy started', 'copy failed']);
});

test('a failure of the storage fails the job', async () => {
  const { handler, storage, start } = rig();
  const full = new BuildError('store-full', 'Cannot write "x": no space left');
  storage.save = async () => {
    throw full;
  };
  const job = start(new Toys().vertex('a'));
  assert.is(await failureOf(job.outcome), full);
  assert.equal(grammarErrors(job.events), []);
  assert.is(handler.active, 0);
});

test('cancelling rejects with `cancelled` once everything has stopped', async () => {
  const { handler, start } = rig(1);
  const toys = new Toys();
  const door = handler.door('a');
  const stopped = new Deferred();
  handler.onStop = async () => await stopped.promise;
  const job = start(toys.vertex('top', [toys.vertex('a', [], { add: 1 }), toys.vertex('queued', [], { add: 2 })]));
  let settled = false;
  const watched = job.outcome.catch(() => undefined).finally(() => (settled = true));
  await door.reached.promise;
  job.abort('enough');
  await Promise.resolve();
  assert.is(settled, false);
  stopped.resolve();
  await watched;
  const error = await buildErrorOf(job.outcome);
  assert.is(error.code, 'cancelled');
  assert.is(error.cause, 'enough');
  assert.is(handler.active, 0);
  assert.is(handler.count('queued'), 0);
  assert.equal(summary(job.events), ['a started', 'a cancelled']);
});

test('a job that is cancelled before it begins does nothing', async () => {
  const handler = new ToyHandler();
  const controller = new AbortController();
  const reason = new BuildError('cancelled', 'Interrupted');
  controller.abort(reason);
  const solver = createSolver({ handler, storage: new MemoryStorage(), parallelism: 1 });
  const events: ProgressEvent[] = [];
  const request = { target: new Toys().vertex('a'), signal: controller.signal };
  assert.is(await failureOf(solver.solve(request, (event) => events.push(event))), reason);
  assert.equal(events, []);
  assert.is(handler.total, 0);
});

test('what was finished before a cancellation stays recorded', async () => {
  const { handler, start } = rig();
  const toys = new Toys();
  const target = toys.vertex('second', [toys.vertex('first', [], { add: 1 })], { add: 1 });
  const door = handler.door('second');
  const job = start(target);
  await door.reached.promise;
  job.abort();
  await failureOf(job.outcome);
  handler.doors.clear();
  assert.is((await start(target).outcome).result, 2);
  assert.is(handler.count('first'), 1);
});

test('concurrent jobs run equal vertices once, and a late one hears what was said', async () => {
  const { handler, start } = rig();
  const target = new Toys().vertex('run', [], { add: 5 });
  const door = handler.door('run');
  const first = start(target);
  await door.reached.promise;
  const second = start(new Toys().vertex('run', [], { add: 5 }));
  await second.seen('run started');
  door.open();
  const outcomes = await Promise.all([first.outcome, second.outcome]);
  assert.equal(
    outcomes.map(({ result }) => result),
    [5, 5],
  );
  assert.is(handler.count('run'), 1);
  for (const job of [first, second]) {
    assert.equal(
      job.events.map(({ kind }) => kind),
      ['started', 'log', 'completed'],
    );
  }
});

test('a job that gives up leaves a shared operation to the other one', async () => {
  const { handler, start } = rig();
  const door = handler.door('run');
  const first = start(new Toys().vertex('run', [], { add: 5 }));
  await door.reached.promise;
  const second = start(new Toys().vertex('run', [], { add: 5 }));
  await second.seen('run started');
  first.abort();
  assert.is((await buildErrorOf(first.outcome)).code, 'cancelled');
  assert.equal(summary(first.events), ['run started', 'run cancelled']);
  assert.is(handler.active, 1, 'it still runs');
  door.open();
  assert.is((await second.outcome).result, 5);
  assert.is(handler.count('run'), 1);
});

test('a shared operation is aborted once nobody waits for it', async () => {
  const { handler, start } = rig();
  const door = handler.door('run');
  const first = start(new Toys().vertex('run', [], { add: 5 }));
  await door.reached.promise;
  const second = start(new Toys().vertex('run', [], { add: 5 }));
  await second.seen('run started');
  first.abort();
  second.abort();
  await failureOf(first.outcome);
  await failureOf(second.outcome);
  assert.is(handler.active, 0);
  assert.equal(grammarErrors([...second.events]), []);
});

test('an operation on files of a client that gives up is begun anew by the job that waits for it', async () => {
  const { start } = rig();
  const graph = (): ToyVertex =>
    new Toys().vertex('copy', [new Toys().vertex('local', [], { source: true })], { uses: ['content'] });
  const [one, two] = [new ToyHandler(), new ToyHandler()];
  for (const handler of [one, two]) handler.sources.set('local', 9);
  const door = one.door('copy');
  const first = start(graph(), one);
  await door.reached.promise;
  const second = start(graph(), two);
  await second.seen('copy started');
  assert.is(two.count('copy'), 0, 'it waits for the first');
  first.abort();
  await failureOf(first.outcome);
  assert.is(one.active, 0, 'nothing of the first client is used any more');
  assert.is((await second.outcome).result, 9);
  assert.is(two.count('copy'), 1);
  assert.equal(grammarErrors(second.events), []);
});

test('a failing shared operation fails every job that waits for it', async () => {
  const { handler, start } = rig();
  const door = handler.door('run');
  const first = start(new Toys().vertex('run', [], { add: 5 }));
  await door.reached.promise;
  const second = start(new Toys().vertex('run', [], { add: 5 }));
  await second.seen('run started');
  door.fail(new BuildError('run-failed', 'The command failed'));
  assert.is((await buildErrorOf(first.outcome)).code, 'run-failed');
  assert.is((await buildErrorOf(second.outcome)).code, 'run-failed');
  assert.equal(summary(second.events), ['run started', 'run failed']);
});

test('a job without cache is not given what another one found in it', async () => {
  const { handler, start } = rig();
  const plain = new Toys().vertex('run', [], { add: 5 });
  await start(plain).outcome;
  const outcomes = await Promise.all([
    start(plain).outcome,
    start(new Toys().vertex('run', [], { add: 5, ignoreCache: true })).outcome,
  ]);
  assert.equal(
    outcomes.map(({ cached }) => cached),
    [true, false],
  );
  assert.is(handler.count('run'), 2);
});

test('rejects a parallelism that would never run anything', () => {
  const options = { handler: new ToyHandler(), storage: new MemoryStorage() };
  assert.throws(() => createSolver({ ...options, parallelism: 0 }), /parallelism/);
  assert.throws(() => createSolver({ ...options, parallelism: 1.5 }), /parallelism/);
});

test.run();
