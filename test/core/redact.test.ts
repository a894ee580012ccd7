import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withoutPassword, withoutPasswords } from '../../src/core/redact.ts';
import { codeFrame } from '../../src/core/source.ts';

const test = suite('texts without passwords');

for (const [url, shown] of [
  ['https://user:secret@h/a', 'https://xxxxx@h/a'],
  ['https://token@h/a', 'https://xxxxx@h/a'],
  ['https://user:se@cret@h/a', 'https://xxxxx@h/a'],
  ['https://user:sec/ret@h/a', 'https://xxxxx@h/a'],
  ['https://user:sec?r#et@h/a', 'https://xxxxx@h/a'],
  ['HTTP://u:secret@[::1]:80/a', 'HTTP://xxxxx@[::1]:80/a'],
  ['ssh://git@h/a', 'ssh://git@h/a'],
  ['ssh://git:secret@h/a', 'ssh://xxxxx@h/a'],
  ['https://h/a@b', 'https://h/a@b'],
  ['https://h:8080/a@b:c', 'https://h:8080/a@b:c'],
  ['https://[::1]:8080/a@b', 'https://[::1]:8080/a@b'],
  ['git@h:a', 'git@h:a'],
  ['/a/b@c', '/a/b@c'],
] as const) {
  test(`shows ${url}`, () => assert.is(withoutPassword(url), shown));
}

test('shows a text with several', () => {
  assert.is(
    withoutPasswords('ADD ["http://u:p@h/a", \'http://t@h/b\'] http://h/c <http://u:p@h>'),
    'ADD ["http://xxxxx@h/a", \'http://xxxxx@h/b\'] http://h/c <http://xxxxx@h>',
  );
  assert.is(withoutPasswords('COPY a@b:c /'), 'COPY a@b:c /');
});

test('finds URLs where a simple pattern finds them', () => {
  const pieces = fc.constantFrom('http', '://', ':/', 'u:p@h', ' ', '"', 'a', '1', '+', '@', '\n', '//', 'ssh://t:u@');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      const simple = text.replace(/[a-z][a-z0-9+.-]*:\/\/[^\s'"<>`]+/gi, withoutPassword);
      assert.is(withoutPasswords(text), simple);
    }),
    { numRuns: 2000 },
  );
});

test('an excerpt has none, and its carets are where they belong', () => {
  const file = { name: 'f', text: 'FROM x\nADD http://user:secret@h/a /b\nADD http://u:other@h/a /c' };
  const range = { file, start: { line: 2, column: 28 }, end: { line: 2, column: 30 } };
  assert.is(
    codeFrame(range),
    [
      '1     | FROM x',
      '2 >>> | ADD http://xxxxx@h/a /b',
      `      | ${' '.repeat(21)}^^`,
      '3     | ADD http://xxxxx@h/a /c',
    ].join('\n'),
  );
});

test.run();
