import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { Member, RunningOperation } from '../../src/solver/scheduler.ts';
import { Scheduler } from '../../src/solver/scheduler.ts';
import { Deferred } from './toys.ts';

const test = suite('Scheduler');

class Listener implements Member {
  starts = 0;
  readonly logs: string[] = [];
  readonly joined = new Deferred();

  start(): void {
    this.starts++;
    this.joined.resolve();
  }

  log(_stream: 'stdout' | 'stderr', data: Uint8Array): void {
    this.logs.push(Buffer.from(data).toString());
  }

  status(): void {}
}

const options = { signal: new AbortController().signal, sessionBound: false };

test('forgets an operation when it ends, well or not', async () => {
  const scheduler = new Scheduler<number>(1);
  const first = scheduler.share('a', async () => 1, new Listener(), options);
  assert.is(scheduler.running, 1);
  assert.is(await first, 1);
  assert.is(scheduler.running, 0);
  const failing = scheduler.share('a', async () => await Promise.reject(new Error('no')), new Listener(), options);
  try {
    await failing;
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /no/);
  }
  assert.is(scheduler.running, 0);
  assert.is(await scheduler.share('a', async () => 2, new Listener(), options), 2);
});

test('tells a late member what was said, as far as it is kept', async () => {
  const scheduler = new Scheduler<number>(1);
  const end = new Deferred<number>();
  const perform = async (operation: RunningOperation): Promise<number> => {
    operation.start();
    operation.log('stdout', Buffer.alloc(200 * 1024, 'a'));
    operation.log('stdout', Buffer.alloc(200 * 1024, 'b'));
    operation.log('stderr', Buffer.from('c'));
    return await end.promise;
  };
  const early = new Listener();
  const first = scheduler.share('a', perform, early, options);
  const late = new Listener();
  const second = scheduler.share('a', perform, late, options);
  end.resolve(3);
  assert.equal(await Promise.all([first, second]), [3, 3]);
  assert.is(late.starts, 1);
  assert.equal(
    late.logs.map((text) => text[0]),
    ['b', 'c'],
    'the oldest output is dropped',
  );
});

test('an operation that waits for a slot gives up at once', async () => {
  const scheduler = new Scheduler<number>(1);
  const busy = new Deferred();
  const running = new Deferred();
  const first = scheduler.slot(async () => {
    running.resolve();
    await busy.promise;
  }, options.signal);
  await running.promise;
  const controller = new AbortController();
  const second = scheduler.slot(async () => assert.unreachable(), controller.signal);
  const reason = new BuildError('cancelled', 'enough');
  controller.abort(reason);
  try {
    await second;
    assert.unreachable();
  } catch (error) {
    assert.is(error, reason);
  }
  busy.resolve();
  await first;
});

test('a slot stays taken until the operation in it has stopped', async () => {
  const scheduler = new Scheduler<number>(1);
  const controller = new AbortController();
  const [running, stopped] = [new Deferred(), new Deferred()];
  const order: string[] = [];
  const first = scheduler.slot(async () => {
    running.resolve();
    await stopped.promise;
    order.push('first stopped');
  }, controller.signal);
  await running.promise;
  const second = scheduler.slot(async () => void order.push('second ran'), options.signal);
  controller.abort();
  stopped.resolve();
  await Promise.all([first, second]);
  assert.equal(order, ['first stopped', 'second ran']);
});

test.run();
