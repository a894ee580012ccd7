import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mapLimit } from '../../src/core/map-limit.ts';

const test = suite('core/map-limit');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('results are in the order of the items, and no more than the limit run at a time', async () => {
  let running = 0;
  let most = 0;
  const results = await mapLimit([3, 1, 4, 1, 5, 9, 2, 6], 3, async (item, index) => {
    most = Math.max(most, ++running);
    for (let i = 0; i < item; i++) await turn();
    running--;
    return item * 10 + index;
  });
  assert.equal(results, [30, 11, 42, 13, 54, 95, 26, 67]);
  assert.is(most, 3);
});

test('nothing to do is done at once', async () => {
  assert.equal(await mapLimit([], 3, () => Promise.reject(new Error('not called'))), []);
});

test('the first failure stops what has not begun and waits for what has', async () => {
  const started: number[] = [];
  let ended = 0;
  const message = await mapLimit([0, 1, 2, 3, 4], 2, async (item) => {
    started.push(item);
    if (item === 0) throw new Error('first');
    await turn();
    ended++;
    throw new Error('second');
  }).then(
    () => '',
    (error: unknown) => String(error),
  );
  assert.is(message, 'Error: first');
  assert.equal(started, [0, 1]);
  assert.is(ended, 1);
});

test.run();
