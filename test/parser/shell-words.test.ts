import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { ExpandOptions } from '../../src/parser/shell-words.ts';
import { expandWord, expandWords } from '../../src/parser/shell-words.ts';
import type { Word } from '../../src/parser/types.ts';

const test = suite('shell words');

const variables: Readonly<Record<string, string>> = {
  set: 'value',
  empty: '',
  file: 'a.b.tar.gz',
  text: 'foobarfoo',
  star: 'a*b',
  spaced: 'one  two',
  quoted: `it's "so"`,
  äö: 'umlaut',
};

function word(text: string): Word {
  const file = { name: 'Dockerfile', text };
  return { text, range: { file, start: { line: 1, column: 1 }, end: { line: 1, column: text.length + 1 } } };
}

function lookup(name: string): string | undefined {
  return Object.hasOwn(variables, name) ? variables[name] : undefined;
}

function expand(text: string, options: Partial<ExpandOptions> = {}): string {
  return expandWord(word(text), lookup, { escape: '\\', ...options }).value;
}

function failure(text: string): BuildError {
  try {
    expand(text);
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error(`${text} was expanded`);
}

const CASES: readonly (readonly [string, string])[] = [
  ['$set/x ${set}x $setx', 'value/x valuex '],
  ['$', '$'],
  ['a$ "$"', 'a$ $'],
  ['[$$][$1][$12x][$#][$!]', '[][][x][][]'],
  ['$äö', 'umlaut'],
  ['${set:-d}${none:-d}${empty:-d}${empty-d}${none-d}', 'valueddd'],
  ['${set:+a}${none:+a}${empty:+a}${empty+a}${none+a}', 'aa'],
  ['${set:?m}${set?m}${empty?m}', 'valuevalue'],
  ['${none:-${set}}', 'value'],
  ['${none:-${nope:-"deep $set"}}', 'deep value'],
  ['${set:+${empty:-x}y}', 'xy'],
  ['${none:-a\\}b}', 'a}b'],
  ['${file#*.}|${file##*.}|${file%.*}|${file%%.*}|${file#no}', 'b.tar.gz|gz|a.b.tar|a|a.b.tar.gz'],
  ['${star#a\\*}|${star%?}|${star##*}', 'b|a*|'],
  ['${text/foo/X}|${text//foo/X}|${text/o?/_}|${text//[f]/X}|${text//o/}', 'Xbarfoo|XbarX|f_barfoo|foobarfoo|fbarf'],
  ['${star/\\*/-}|${file//./\\/}|${set//a*u/_}', 'a-b|a\\/b\\/tar\\/gz|v_e'],
  ['${text//o*o/}|${empty/*/x}|${set///-}', 'f|x|-v-a-l-u-e-'],
  ['\'$set\'"$set"', '$setvalue'],
  ['\\$set \\${set} "\\$set"', '$set ${set} $set'],
  ['back\\slash "keeps\\this" "\\"q\\""', 'backslash keeps\\this "q"'],
  ["'\\'", '\\'],
  ['trailing\\', 'trailing'],
  ['$quoted', `it's "so"`],
];

for (const [text, expected] of CASES) {
  test(`expandWord() makes ${expected} of ${text}`, () => assert.is(expand(text), expected));
}

test('expandWord() lists what is not set once and in order', () => {
  assert.equal(expandWord(word('$b $a ${b:-x} $set ${empty:-$c}'), lookup, { escape: '\\' }).unset, ['b', 'a', 'c']);
});

test('expandWord() leaves the other escape character alone', () => {
  assert.is(expand('c:\\$set\\ `$set "`$set"', { escape: '`' }), 'c:\\value\\ $set $set');
});

test('expandWord() keeps quotes or treats them as text when asked to', () => {
  assert.is(expand(`"$set" '$set' \\"`, { quotes: 'keep' }), `"value" '$set' "`);
  assert.is(expand(`"$set" '$set' it's \\$set`, { quotes: 'none' }), `"value" 'value' it's $set`);
});

test('expandWord() leaves references to unset variables as written when asked to', () => {
  assert.is(expand('$set $none ${none:-x} ${none%%$set}', { keepUnset: true }), 'value $none ${none:-x} ${none%%$set}');
});

test('expandWords() splits at white space outside of quotes, also that of variables', () => {
  const split = (text: string): readonly string[] => expandWords(word(text), lookup, { escape: '\\' }).words;
  assert.equal(split('a  b\tc'), ['a', 'b', 'c']);
  assert.equal(split('x$spaced'), ['xone', 'two']);
  assert.equal(split('"$spaced"x \'y z\''), ['one  twox', 'y z']);
  assert.equal(split('a\\ b'), ['a b']);
  assert.equal(split(' "" $empty '), []);
});

const FAILURES: readonly (readonly [string, 'invalid-substitution' | 'required-variable', string, number])[] = [
  ['ab ${set', 'invalid-substitution', 'not closed', 4],
  ['${set:-x', 'invalid-substitution', 'not closed', 1],
  ['${}', 'invalid-substitution', 'name is missing', 1],
  ['${:x}', 'invalid-substitution', 'name is missing', 1],
  ['${set!oops}', 'invalid-substitution', '"!" is not a supported modifier', 1],
  ['x${set:0:3}', 'invalid-substitution', '":0" is not a supported modifier', 2],
  ['${!set}', 'invalid-substitution', '"s" is not a supported modifier', 1],
  ['${set/x}', 'invalid-substitution', 'replacement', 1],
  ['${set/x/', 'invalid-substitution', 'not closed', 1],
  ['${set#\\x}', 'invalid-substitution', 'backslash', 1],
  ['a "b', 'invalid-substitution', 'double quote', 3],
  ["a 'b", 'invalid-substitution', 'single quote', 3],
  ['a ${none:?say it}', 'required-variable', '"none" is required: say it', 3],
  ['${none?}', 'required-variable', 'it is not set', 1],
  ['${empty:?}', 'required-variable', 'it is empty', 1],
  ['${set:-${none:?inner}}', 'required-variable', 'inner', 8],
];

for (const [text, code, message, column] of FAILURES) {
  test(`expandWord() refuses ${text}`, () => {
    const error = failure(text);
    assert.is(error.code, code);
    assert.match(error.message, message);
    assert.is(error.locations[0]?.start.column, column);
  });
}

test('expandWord() points at the whole word where its text is not what the file says', () => {
  const range = { file: { name: 'f', text: '' }, start: { line: 2, column: 3 }, end: { line: 3, column: 4 } };
  assert.throws(
    () => expandWord({ text: 'abc ${x', range }, lookup, { escape: '\\' }),
    (error: unknown) => error instanceof BuildError && error.locations[0] === range,
  );
});

test('expandWord() bounds nesting and size', () => {
  assert.match(failure(`${'${none:-'.repeat(101)}${'}'.repeat(101)}`).message, 'nested too deeply');
  const long = 'x'.repeat(600_000);
  assert.throws(() => expandWord(word('$l$l'), () => long, { escape: '\\' }), /more than 1048576 characters/);
  assert.throws(() => expandWord(word('${l//x/yy}'), () => long, { escape: '\\' }), /more than 1048576 characters/);
});

test('patterns with many stars are quick on values that almost match', () => {
  const value = 'a'.repeat(20_000);
  const pattern = '*a'.repeat(50);
  assert.is(expandWord(word(`\${v##${pattern}b}`), () => value, { escape: '\\' }).value, value);
  assert.is(expandWord(word(`\${v//${pattern}b/}`), () => value, { escape: '\\' }).value, value);
});

test('text without special characters expands to itself', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^$'"\\]*$/u), (text) => assert.is(expand(text), text)),
    { numRuns: 50 },
  );
});

test('quoting protects any text', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.is(expand(`'${text.replaceAll("'", `'"'"'`)}'`), text);
      assert.is(
        expand(
          Array.from(text)
            .map((character) => `\\${character}`)
            .join(''),
        ),
        text,
      );
    }),
    { numRuns: 50 },
  );
});

test('any text either expands or fails with a location', () => {
  const piece = fc.constantFrom('$', '{', '}', ':', '-', '?', '#', '%', '/', '*', '\\', '"', "'", 'set', 'none', ' ');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        expand(pieces.join(''));
      } catch (error) {
        if (!(error instanceof BuildError)) throw error;
        assert.is(error.locations.length, 1);
      }
    }),
    { numRuns: 300 },
  );
});

/** Forms in which Docker and a shell agree. */
const SHELL_FORMS: readonly string[] = [
  '$v',
  '${v}x',
  '${v:-d}',
  '${v-d}',
  '${v:+a}',
  '${v+a}',
  '${v:-"q $w"}',
  '"${v}"',
  "'$v'\\$v",
  '${v#?}',
  '${v##*a}',
  '${v#*b}',
  '${v%a*}',
  '${v%%b*a}',
  '${v%?}',
  '${v#a\\*}',
  '${v:+${w:-z}}',
  '${u:-$v$w}',
];

test('expandWord() agrees with sh on the common forms', () => {
  const value = fc.stringMatching(/^[ab*.]{0,8}$/);
  const samples = fc.sample(fc.tuple(value, value), { numRuns: 40, seed: 7 });
  const cases = samples.flatMap(([v, w]) => SHELL_FORMS.map((form) => ({ v, w, form })));
  // set -f: no file names for stars; IFS= : no splitting.
  const script = cases.map(({ v, w, form }) => `v='${v}' w='${w}'; printf '%s\\n' ${form}`).join('\n');
  const shell = spawnSync('sh', ['-f'], {
    input: `IFS=\nunset u\n${script}\n`,
    encoding: 'utf8',
  });
  assert.is(shell.status, 0);
  const answers = shell.stdout.split('\n');
  for (const [index, { v, w, form }] of cases.entries()) {
    const ours = expandWord(word(form), (name) => ({ v, w })[name], { escape: '\\' }).value;
    assert.is(ours, answers[index], `${form} with v=${v} w=${w}`);
  }
});

test.run();
