import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { YoungGarbage } from '../../src/core/young-garbage.ts';

const test = suite('garbage of streams');

test('buffers that are done with do not gather', () => {
  const garbage = new YoungGarbage();
  let most = 0;
  for (let i = 0; i < 2000; i++) {
    garbage.add(Buffer.alloc(1 << 17, 1).length);
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  }
  assert.ok(most < 16 << 20, `${most} bytes`);
});

test('the flag does not stay', () => {
  new YoungGarbage().add(1 << 30);
  assert.is(typeof (globalThis as { gc?: unknown }).gc, 'undefined');
});

test.run();
