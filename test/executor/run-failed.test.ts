import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatError } from '../../src/core/errors.ts';
import { OutputTail, runFailed } from '../../src/executor/run-failed.ts';

const test = suite('failed commands');
const ARGS = ['/bin/sh', '-c', 'make'];
const FILE = { name: 'Dockerfile', text: 'FROM a\nRUN make' };
const RANGE = { file: FILE, start: { line: 2, column: 1 }, end: { line: 2, column: 9 } };

test('an exit code is told without guesses', () => {
  const error = runFailed(ARGS, { code: 2, oomKilled: false }, []);
  assert.is(error.message, 'process "/bin/sh -c make" did not complete successfully: exit code: 2');
  assert.is(error.hint, undefined);
});

test('a kill for lack of memory is told with its exit code, also once it is located', () => {
  const error = runFailed(ARGS, { code: 137, oomKilled: true }, ['last']).at([RANGE]);
  assert.is(
    formatError(error),
    [
      'Dockerfile:2: process "/bin/sh -c make" did not complete successfully: cannot allocate memory (exit code: 137)',
      '1     | FROM a',
      '2 >>> | RUN make',
      '      | ^^^^^^^^',
      'hint: the kernel killed a process of this step for lack of memory: let it use less, or raise the limit of the group it runs in',
    ].join('\n'),
  );
});

test('a command that made something else of the kill keeps its exit code', () => {
  assert.match(runFailed(ARGS, { code: 2, oomKilled: true }, []).message, /cannot allocate memory \(exit code: 2\)$/);
});

test('a kill that nobody saw the reason of is only suspected', () => {
  const error = runFailed(ARGS, { code: 137, oomKilled: false }, []);
  assert.match(error.message, /: exit code: 137$/);
  assert.match(error.hint ?? '', /killed it with SIGKILL/);
});

test('the tail of the output is its last 50 lines, however the chunks fall', () => {
  const tail = new OutputTail();
  const text = Array.from({ length: 90_000 }, (_, index) => `${index}\n`).join('');
  for (let at = 0; at < text.length; at += 1000) tail.add(Buffer.from(text.slice(at, at + 1000)));
  const lines = tail.lines();
  assert.is(lines.length, 50);
  assert.equal([lines[0], lines[49]], ['89950', '89999']);
});

test.run();
