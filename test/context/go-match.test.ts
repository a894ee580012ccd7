import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileGoPattern, hasWildcard } from '../../src/context/go-match.ts';

const test = suite('go-match');

/** From the documentation of path/filepath; undefined: malformed. */
const CASES: readonly (readonly [pattern: string, name: string, matches: boolean | undefined])[] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'ab/c', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[c]', 'abc', true],
  ['ab[e-g]', 'abc', false],
  ['ab[^c]', 'abc', false],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a?b', 'a☺b', true],
  ['a[^a]b', 'a☺b', true],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['[\\]a]', ']', true],
  ['[\\-x]', 'x', true],
  ['[\\-x]', '-', true],
  ['[x\\-]', 'z', false],
  ['[]a]', ']', undefined],
  ['[-]', '-', undefined],
  ['[x-]', 'x', undefined],
  ['[-x]', 'x', undefined],
  ['\\', 'a', undefined],
  ['[', 'a', undefined],
  ['[^bc', 'a', undefined],
  ['a[', 'ab', undefined],
  ['*', '', true],
  ['*x', 'xxx', true],
  ['', '', true],
  ['[^/]', '.', true],
];

for (const [pattern, name, expected] of CASES) {
  test(`${JSON.stringify(pattern)} on ${JSON.stringify(name)}`, () => {
    assert.is(compileGoPattern(pattern)?.matches(name), expected);
  });
}

test('only a bare pattern character makes a wildcard', () => {
  assert.equal(['a', 'a\\*', 'a\\\\*', '[a]', 'a?', '\\'].map(hasWildcard), [false, false, true, true, true, false]);
});

test.run();
