import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SharedWork } from '../../src/core/shared-work.ts';
import { rejectsWith } from '../support/assert.ts';

interface Deferred {
  readonly promise: Promise<string>;
  readonly resolve: (value: string) => void;
  readonly reject: (error: Error) => void;
}

function deferred(): Deferred {
  let resolve: (value: string) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<string>((ok, fail) => {
    resolve = ok;
    reject = fail;
  });
  return { promise, resolve, reject };
}

const test = suite('core/shared-work');

test('callers at the same time share one job, later ones start another', async () => {
  const work = new SharedWork<string>();
  const gate = deferred();
  let started = 0;
  const job = (): Promise<string> => {
    started++;
    return gate.promise;
  };
  const both = Promise.all([work.run('a', undefined, job), work.run('a', undefined, job)]);
  gate.resolve('done');
  assert.equal(await both, ['done', 'done']);
  assert.is(started, 1);
  await work.run('a', undefined, job);
  assert.is(started, 2);
});

test('different keys are different jobs', async () => {
  const work = new SharedWork<string>();
  const results = ['a', 'b'].map((key) => work.run(key, undefined, () => Promise.resolve(key)));
  assert.equal(await Promise.all(results), ['a', 'b']);
});

test('a failure reaches everybody and is forgotten', async () => {
  const work = new SharedWork<string>();
  const gate = deferred();
  const runs = [1, 2].map(() => work.run('a', undefined, () => gate.promise).catch((error: unknown) => String(error)));
  gate.reject(new Error('broken'));
  assert.equal(await Promise.all(runs), ['Error: broken', 'Error: broken']);
  assert.is(await work.run('a', undefined, () => Promise.resolve('again')), 'again');
});

test('one who gives up does not abort the job of the others', async () => {
  const work = new SharedWork<string>();
  const gate = deferred();
  const controller = new AbortController();
  let seen: AbortSignal | undefined;
  const job = (signal: AbortSignal): Promise<string> => {
    seen = signal;
    return gate.promise;
  };
  const first = work.run('a', controller.signal, job);
  const second = work.run('a', undefined, job);
  controller.abort();
  await rejectsWith('cancelled', () => first);
  assert.is(seen?.aborted, false);
  gate.resolve('done');
  assert.is(await second, 'done');
});

test('the last one to give up aborts the job and waits for its end', async () => {
  const work = new SharedWork<string>();
  const gate = deferred();
  const controller = new AbortController();
  let ended = false;
  const run = work.run('a', controller.signal, async (signal) => {
    signal.addEventListener('abort', () => gate.reject(new Error('aborted')));
    try {
      return await gate.promise;
    } finally {
      ended = true;
    }
  });
  controller.abort();
  await rejectsWith('cancelled', () => run);
  assert.is(ended, true);
  assert.is(await work.run('a', undefined, () => Promise.resolve('new')), 'new');
});

test('nothing starts for a signal that is aborted already', async () => {
  const work = new SharedWork<string>();
  await rejectsWith('cancelled', () =>
    work.run('a', AbortSignal.abort(), () => assert.unreachable() as unknown as Promise<string>),
  );
});

test.run();
