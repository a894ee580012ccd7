import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isRootAlone } from '../../src/runtime-native/id-range.ts';

const test = suite('id range');

test('root is alone where the map is one line for one id', () => {
  assert.is(isRootAlone('         0       1000          1\n'), true);
  assert.is(isRootAlone('         0       1000          1\n         1     100000      65536\n'), false);
  assert.is(isRootAlone('         0          0 4294967295\n'), false);
  assert.is(isRootAlone('      1000       1000          1\n'), false);
  assert.is(isRootAlone(''), false);
});

test.run();
