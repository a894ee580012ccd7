import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDockerignore, parseExcludes } from '../../src/context/dockerignore.ts';
import { throwsWith } from '../support/assert.ts';

const test = suite('dockerignore');

function rules(...lines: string[]) {
  return parseDockerignore({ name: '.dockerignore', text: lines.join('\n') });
}

function excluded(path: string, ...lines: string[]): boolean {
  return rules(...lines).patterns.matchPath(path).excluded;
}

const CASES: readonly (readonly [pattern: string, path: string, excluded: boolean])[] = [
  ['a', 'a', true],
  ['a', 'a/b/c', true],
  ['a', 'ab', false],
  ['a', 'b/a', false],
  ['/a', 'a', true],
  ['./a', 'a', true],
  ['x/../a/', 'a', true],
  ['  a  ', 'a', true],
  ['a\r', 'a', true],
  ['*.log', 'x.log', true],
  ['*.log', 'd/x.log', false],
  ['*/x', 'd/x', true],
  ['*/x', 'd/e/x', false],
  ['**/x', 'x', true],
  ['**/x', 'd/e/x', true],
  ['**/x', 'd/ex', false],
  ['**x', 'd/ex', true],
  ['a/**', 'a/b/c', true],
  ['a/**', 'a', false],
  ['a**', 'abc/d', true],
  ['a/**/z', 'a/z', true],
  ['a/**/z', 'a/b/c/z', true],
  ['a/**/z', 'a/bz', false],
  ['**', '.hidden/x', true],
  ['**/', 'x', true],
  ['**/*.md', 'a/b/c.md', true],
  ['?', 'a', true],
  ['?', 'ab', false],
  ['?', 'é', true],
  ['?', '😀', true],
  ['a?b', 'a/b', false],
  ['[a-c]x', 'bx', true],
  ['[^a-c]x', 'bx', false],
  ['[^a-c]x', 'dx', true],
  ['[\\]]', ']', true],
  ['a[1]', 'a1', true],
  ['we\\*ird', 'we*ird', true],
  ['we\\*ird', 'weXird', false],
  ['\\#hash', '#hash', true],
  ['\\!bang', '!bang', true],
  [' #x', '#x', true],
  ['a.b', 'axb', false],
  ['a+(b)|{c}$^', 'a+(b)|{c}$^', true],
  ['/', 'a', false],
  ['.', 'a', false],
  ['../a', 'a', false],
];

for (const [pattern, path, expected] of CASES) {
  test(`${JSON.stringify(pattern)} ${expected ? 'excludes' : 'leaves'} ${path}`, () => {
    assert.is(excluded(path, pattern), expected);
  });
}

test('comments, blank lines and a byte order mark are no patterns', () => {
  assert.equal(
    rules('\ufeffa', '# b', '', '   ', 'c').patterns.patterns.map(({ text }) => text),
    ['a', 'c'],
  );
});

test('the last pattern that matches decides', () => {
  assert.is(excluded('README.md', '*.md', '!README.md'), false);
  assert.is(excluded('README.md', '!README.md', '*.md'), true);
  assert.is(excluded('a/b', 'a', '!a/b'), false);
  assert.is(excluded('a/b/c', 'a', '!a/b', 'a/b/c'), true);
  assert.is(excluded('a/b/d', 'a', ' ! /a/b ', 'a/b/c'), false);
});

test('an exception below an excluded directory keeps the directory worth a look', () => {
  const { patterns } = rules('docs', '!docs/keep/*.md', 'other', '!top');
  assert.is(patterns.mayReinclude('docs'), true);
  assert.is(patterns.mayReinclude('docs/keep'), true);
  assert.is(patterns.mayReinclude('docs/keep/deep'), false);
  assert.is(patterns.mayReinclude('docs/other'), false);
  assert.is(patterns.mayReinclude('other'), false);
  assert.is(rules('*', '!**/x').patterns.mayReinclude('any/depth'), true);
});

for (const bad of ['[', '[a-', '[]a]', 'a\\', '!', '[^', '! [', '[a-]']) {
  test(`${JSON.stringify(bad)} is refused with its line`, () => {
    const error = throwsWith('invalid-ignore-pattern', () => rules('fine', bad), /syntax error in pattern/);
    assert.is(error.locations[0]?.start.line, 2);
  });
}

test('--exclude patterns are refused without a line', () => {
  const error = throwsWith('invalid-ignore-pattern', () => parseExcludes(['ok', '[a-']), /"\[a-"/);
  assert.equal(error.locations, []);
});

test('a pattern that is made to explode does not', () => {
  const pattern = `${'**/a*'.repeat(12)}b`;
  assert.is(excluded(`${'a/'.repeat(120)}c`, pattern), false);
  assert.is(excluded('a'.repeat(250), `${'*a'.repeat(40)}b`), false);
});

// A matcher with no cleverness at all, as the oracle.

type Reader = (pattern: string, path: string) => boolean;

const naive: Reader = (pattern, path) => {
  if (pattern === '') return path === '';
  if (pattern.startsWith('**')) {
    const rest = pattern.slice(pattern[2] === '/' ? 3 : 2);
    if (rest === '') return true;
    if (naive(rest, path)) return true;
    return path.split('').some((character, at) => character === '/' && naive(rest, path.slice(at + 1)));
  }
  if (pattern.startsWith('*')) {
    for (let end = 0; end <= path.length; end++) {
      if (naive(pattern.slice(1), path.slice(end))) return true;
      if (path[end] === '/') return false;
    }
    return false;
  }
  if (path === '') return false;
  if (pattern.startsWith('?')) return path[0] !== '/' && naive(pattern.slice(1), path.slice(1));
  if (pattern.startsWith('[^a]')) return path[0] !== 'a' && naive(pattern.slice(4), path.slice(1));
  if (pattern.startsWith('[ab]')) return /^[ab]/.test(path) && naive(pattern.slice(4), path.slice(1));
  return pattern[0] === path[0] && naive(pattern.slice(1), path.slice(1));
};

const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 });
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const globName = fc
  .array(fc.constantFrom('a', 'b', '*', '?', '[^a]', '[ab]'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('').replace(/\*+/g, '*'));
const globPath = fc
  .array(fc.oneof({ weight: 3, arbitrary: globName }, { weight: 1, arbitrary: fc.constant('**') }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join('/'));

test('one pattern means what it means to a naive matcher', () => {
  fc.assert(
    fc.property(globPath, path, (pattern, candidate) => {
      const parents = candidate.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
      const expected = parents.some((parent) => naive(pattern, parent));
      assert.is(excluded(candidate, pattern), expected, `${pattern} ${candidate}`);
    }),
    { numRuns: 2000 },
  );
});

test('of several patterns the last one that matches an entry or its parents decides', () => {
  const line = fc.tuple(fc.boolean(), globPath);
  fc.assert(
    fc.property(fc.uniqueArray(line, { maxLength: 5, selector: ([, text]) => text }), path, (lines, candidate) => {
      const { patterns } = rules(...lines.map(([exception, text]) => (exception ? `!${text}` : text)));
      const parts = candidate.split('/');
      let asked: boolean[] = [];
      let expected = false;
      // Like a walk: what a pattern said about the parent holds; a pattern that could change nothing isn't asked.
      for (let count = 1; count <= parts.length; count++) {
        const entry = parts.slice(0, count).join('/');
        expected = false;
        asked = lines.map(([exception, text], index) => {
          const hit = asked[index] === true || (exception === expected && naive(text, entry));
          if (hit) expected = !exception;
          return hit;
        });
      }
      assert.is(patterns.matchPath(candidate).excluded, expected);
    }),
    { numRuns: 1000 },
  );
});

test('what is said to be out of reach of exceptions never matches one', () => {
  fc.assert(
    fc.property(globPath, path, name, (pattern, dir, child) => {
      const { patterns } = rules(`!${pattern}`);
      if (patterns.mayReinclude(dir)) return;
      assert.not(naive(pattern, `${dir}/${child}`));
      assert.not(naive(pattern, `${dir}/${child}/${child}`));
    }),
    { numRuns: 1000 },
  );
});

test.run();
