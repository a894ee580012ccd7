import { constants } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isSignal } from '../../../src/frontend/convert/signals.ts';

const test = suite('signals');

test('isSignal() knows every signal of this machine, with and without SIG, in any case', () => {
  for (const name of Object.keys(constants.signals)) {
    assert.ok(isSignal(name), name);
    assert.ok(isSignal(name.slice('SIG'.length).toLowerCase()), name);
  }
});

test('isSignal() knows real-time signals and numbers', () => {
  for (const text of ['RTMIN', 'SIGRTMIN+15', 'RTMAX-1', 'SIGRTMAX', '9', '64', '-9', '9223372036854775807'])
    assert.ok(isSignal(text), text);
  for (const text of ['', '0', 'SIG', 'SIGNOTHING', 'RTMIN+16', '1x', '9223372036854775808'])
    assert.not.ok(isSignal(text), text);
});

test.run();
