import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileModeChange } from '../../src/executor/mode-change.ts';
import { throwsWith } from '../support/assert.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('mode change');

function change(clauses: string, mode: number, isDirectory = false): string {
  return compileModeChange({ kind: 'symbolic', clauses })({ mode, isDirectory }).toString(8);
}

// What COPY --chmod makes of these with BuildKit.
const CASES: readonly (readonly [clauses: string, from: number, to: string])[] = [
  ['u+x,go-rwx', 0o644, '700'],
  ['g+w,o=', 0o755, '770'],
  ['+x', 0o644, '755'],
  ['+w', 0o444, '666'],
  ['u=g', 0o750, '550'],
  ['o+u', 0o740, '747'],
  ['u+s', 0o755, '4755'],
  ['g+s', 0o755, '2755'],
  ['o+s', 0o755, '755'],
  ['u+x-w', 0o644, '544'],
  ['a-s', 0o6755, '755'],
  ['g=u', 0o2640, '2660'],
  ['u=go', 0o641, '141'],
  ['u=rg', 0o641, '441'],
  ['u-g', 0o641, '241'],
  ['a=', 0o7777, '1000'],
  ['u=rw', 0o4755, '655'],
  ['+t', 0o777, '1777'],
  ['u+t', 0o755, '1755'],
  ['o+t', 0o755, '755'],
  ['+rt', 0o700, '1700'],
  ['a=rt', 0o700, '1444'],
];

for (const [clauses, from, to] of CASES) {
  test(`${clauses} on ${from.toString(8)}`, () => {
    assert.is(change(clauses, from), to);
  });
}

test('X is for directories and for what somebody could execute at first', () => {
  assert.is(change('a+X', 0o600), '600');
  assert.is(change('a+X', 0o600, true), '711');
  assert.is(change('a+X', 0o610), '711');
  assert.is(change('u+x,g+X', 0o640), '740');
  assert.is(change('-X', 0o741), '640');
  assert.is(change('a-x,a+X', 0o610), '711');
  assert.is(change('u=rwX,go=rX', 0o700), '755');
});

test('a directory keeps no set-id bits', () => {
  assert.is(change('a=rx', 0o6755, true), '555');
});

for (const bad of ['rainbow', 'u', 'x=r', 'u=rwz', 'u=r,,g=w', '', '8', 'u=rw,']) {
  test(`${JSON.stringify(bad)} is refused`, () => {
    throwsWith('invalid-flag', () => compileModeChange({ kind: 'symbolic', clauses: bad }), /Cannot read the mode/);
  });
}

test('an octal mode is the mode', () => {
  assert.is(compileModeChange({ kind: 'octal', mode: 0o4711 })({ mode: 0o600, isDirectory: true }), 0o4711);
});

test('clauses without set-id bits, t and X do what chmod(1) does', async () => {
  await using temp = await tempDir();
  const file = join(temp.path, 'file');
  const dir = join(temp.path, 'dir');
  writeFileSync(file, '');
  mkdirSync(dir);
  const step = fc
    .tuple(fc.constantFrom('+', '-', '='), fc.oneof(fc.constantFrom('u', 'g', 'o'), fc.stringMatching(/^[rwx]{0,3}$/)))
    .map((parts) => parts.join(''));
  const clause = fc
    .tuple(fc.stringMatching(/^[ugoa]{0,2}$/), fc.array(step, { minLength: 1, maxLength: 2 }))
    .map(([who, steps]) => who + steps.join(''));
  const clauses = fc.array(clause, { minLength: 1, maxLength: 3 }).map((all) => all.join(','));
  const cases = fc.array(fc.tuple(clauses, fc.integer({ min: 0, max: 0o777 }), fc.boolean()), {
    minLength: 25,
    maxLength: 25,
  });
  fc.assert(
    fc.property(cases, (all) => {
      const lines = all.map(([text, mode, isDirectory]) => {
        const path = isDirectory ? dir : file;
        return `chmod ${mode.toString(8).padStart(5, '0')} ${path}; chmod -- '${text}' ${path}; stat -c %a ${path}`;
      });
      const output = execFileSync('sh', ['-c', ['umask 0', ...lines].join('\n')], { encoding: 'utf8' });
      const expected = output.trim().split('\n');
      all.forEach(([text, mode, isDirectory], at) => {
        assert.is(change(text, mode, isDirectory), expected[at], `${text} on ${mode.toString(8)}`);
      });
    }),
    { numRuns: 4 },
  );
});

test.run();
