import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseArguments } from '../../src/cli/parse.ts';
import { BuildError } from '../../src/core/errors.ts';

const test = suite('parseArguments');

const COMMAND = {
  name: 'toy',
  operands: '[THING...]',
  summary: 'A toy',
  options: {
    tag: { kind: 'list', short: 't', placeholder: 'T', describe: '' },
    file: { kind: 'value', short: 'f', placeholder: 'F', describe: '' },
    mode: { kind: 'value', placeholder: 'M', describe: '', choices: ['fast', 'slow'] },
    interactive: { kind: 'flag', short: 'i', describe: '' },
    quiet: { kind: 'flag', short: 'q', describe: '' },
  },
  unsupported: ['push', 'm'],
  arity: { min: 0, max: Infinity },
} as const;

interface Parsed {
  readonly tag: readonly string[];
  readonly file: string | undefined;
  readonly interactive: boolean;
  readonly quiet: boolean;
  readonly operands: readonly string[];
}

function parse(argv: readonly string[], stopAtOperand = false): Parsed {
  const args = parseArguments({ ...COMMAND, stopAtOperand }, argv);
  return {
    tag: args.list('tag'),
    file: args.value('file'),
    interactive: args.flag('interactive'),
    quiet: args.flag('quiet'),
    operands: args.operands,
  };
}

const NOTHING: Parsed = { tag: [], file: undefined, interactive: false, quiet: false, operands: [] };

const ACCEPTED: readonly (readonly [readonly string[], Partial<Parsed>])[] = [
  [[], {}],
  [['.'], { operands: ['.'] }],
  [['-t', 'a', '.'], { tag: ['a'], operands: ['.'] }],
  [['.', '-t', 'a'], { tag: ['a'], operands: ['.'] }],
  [['-ta', '-t=b', '--tag', 'c', '--tag=d'], { tag: ['a', 'b', 'c', 'd'] }],
  [['-iq'], { interactive: true, quiet: true }],
  [['-iqt', 'a'], { interactive: true, quiet: true, tag: ['a'] }],
  [['-ita'], { interactive: true, tag: ['a'] }],
  [['-f', '-'], { file: '-' }],
  [['-f', '-x'], { file: '-x' }],
  [['-f', '--tag'], { file: '--tag' }],
  [['-f', 'a', '-f', 'b'], { file: 'b' }],
  [['--file='], { file: '' }],
  [['--file', ''], { file: '' }],
  [['--file=a=b'], { file: 'a=b' }],
  [['--tag', '1.10', '--tag', '007', '--tag', '0x10'], { tag: ['1.10', '007', '0x10'] }],
  [['--tag', '"a"', '--tag', "'b'"], { tag: ['"a"', "'b'"] }],
  [['--quiet=false'], { quiet: false }],
  [['--quiet', '--quiet=0'], { quiet: false }],
  [['-q=true'], { quiet: true }],
  [['--', '-t', 'a'], { operands: ['-t', 'a'] }],
  [['-'], { operands: ['-'] }],
  [['-q', '-', 'x'], { quiet: true, operands: ['-', 'x'] }],
  [['1', '2.0'], { operands: ['1', '2.0'] }],
];
for (const [argv, want] of ACCEPTED) {
  test(`reads ${JSON.stringify(argv)}`, () => {
    assert.equal(parse(argv), { ...NOTHING, ...want });
  });
}

test('leaves the flags after the first operand alone where they belong to somebody else', () => {
  assert.equal(parse(['-i', 'image', 'ls', '-q', '--', '-t'], true), {
    ...NOTHING,
    interactive: true,
    operands: ['image', 'ls', '-q', '--', '-t'],
  });
});

test('takes -- before the operand away, and nothing after it', () => {
  assert.equal(parse(['-i', '--', 'image', '--', 'x'], true).operands, ['image', '--', 'x']);
});

const REFUSED: readonly (readonly [readonly string[], string, RegExp, string?])[] = [
  [['--tga', 'a'], 'usage', /^Unknown flag "--tga" for "toy"$/, 'did you mean "--tag"?'],
  [['--xyzzy'], 'usage', /^Unknown flag "--xyzzy"/],
  [['-z'], 'usage', /^Unknown flag "-z"/],
  [['-iz'], 'usage', /^Unknown flag "-z"/],
  [['--no-quiet'], 'usage', /^Unknown flag "--no-quiet"/],
  [['--__proto__=x'], 'usage', /^Unknown flag "--__proto__"/],
  [['--constructor', 'x'], 'usage', /^Unknown flag "--constructor"/],
  [['--push'], 'unsupported', /^Cannot use flag "--push" with "toy": tsbuild does not support it$/],
  [['-m', '1g'], 'unsupported', /^Cannot use flag "-m"/],
  [['--tag'], 'usage', /^Flag "--tag" needs a value$/],
  [['-it'], 'usage', /^Flag "-t" needs a value$/],
  [['--quiet=maybe'], 'usage', /^Cannot use "maybe" for "--quiet": want "true" or "false"$/],
  [['--mode', 'fsat'], 'usage', /^Cannot use "fsat" for "--mode": want one of "fast", "slow"$/, 'did you mean "fast"?'],
];
for (const [argv, code, message, hint] of REFUSED) {
  test(`refuses ${JSON.stringify(argv)}`, () => {
    const error = caught(() => parse(argv));
    assert.is(error.code, code);
    assert.match(error.message, message);
    assert.is(error.hint, hint);
  });
}

test('counts the operands', () => {
  const one = { ...COMMAND, arity: { min: 1, max: 1 } };
  assert.match(caught(() => parseArguments(one, [])).message, /^"toy" takes 1 argument, got 0$/);
  assert.match(caught(() => parseArguments(one, ['a', 'b'])).message, /^"toy" takes 1 argument, got 2$/);
});

test('gives back any values in any spelling', () => {
  const value = fc.string({ unit: 'grapheme-composite' });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, fc.nat(3)), { maxLength: 5 }),
      fc.array(value, { maxLength: 3 }),
      (tags, operands) => {
        const argv = tags.flatMap(([tag, spelling]) => {
          if (spelling === 0) return [`--tag=${tag}`];
          if (spelling === 1) return ['--tag', tag];
          if (spelling === 2) return ['-t', tag];
          return [`-t=${tag}`];
        });
        const parsed = parse([...argv, '--', ...operands]);
        assert.equal(
          parsed.tag,
          tags.map(([tag]) => tag),
        );
        assert.equal(parsed.operands, operands);
      },
    ),
    { numRuns: 60 },
  );
});

function caught(action: () => unknown): BuildError {
  try {
    action();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test.run();
