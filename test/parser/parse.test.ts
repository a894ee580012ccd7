import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { BuildError, formatError } from '../../src/core/errors.ts';
import { parseDockerfile, parseTrigger } from '../../src/parser/parse.ts';
import type { Instruction } from '../../src/parser/types.ts';
import { printTree } from './print-tree.ts';

const test = suite('parseDockerfile');

function parse(text: string): readonly Instruction[] {
  return parseDockerfile({ name: 'Dockerfile', text }).instructions;
}

function failure(run: () => unknown): BuildError {
  try {
    run();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('It did not fail');
}

/** The text that a range covers, when it is within one line. */
function textAt({ file, start, end }: Instruction['range']): string {
  assert.is(start.line, end.line);
  return (file.text.split('\n')[start.line - 1] ?? '').slice(start.column - 1, end.column - 1);
}

test('points into the text without a byte order mark', () => {
  const { file, instructions } = parseDockerfile({ name: 'D', text: '\ufeffFROM a\n' });
  assert.is(file.text, 'FROM a\n');
  assert.is(textAt(instructions[0]!.range), 'FROM a');
});

test('gives every word its place across continuations', () => {
  const [, copy] = parse('FROM a\nCOPY --chown=me \\\n  # here\n   one \\\n\ttwo  /dst\n');
  assert.is(copy?.kind, 'copy');
  if (copy?.kind !== 'copy') return;
  const words = copy.sources.map((source) => (source.kind === 'path' ? source.word : undefined));
  assert.equal(
    words.map((word) => word && [word.text, textAt(word.range), word.range.start.line]),
    [
      ['one', 'one', 4],
      ['two', 'two', 5],
    ],
  );
  assert.is(textAt(copy.destination.range), '/dst');
  assert.is(copy.chown && textAt(copy.chown.range), 'me');
  assert.equal(
    [copy.range.start, copy.range.end],
    [
      { line: 2, column: 1 },
      { line: 5, column: 11 },
    ],
  );
});

test('takes lines up to 65535 bytes, however many characters they are', () => {
  const line = (bytes: number, character = 'x'): string => {
    const start = 'RUN ';
    const length = (bytes - start.length) / Buffer.byteLength(character);
    return `FROM a\n${start}${character.repeat(length)}`;
  };
  assert.is(parse(`${line(65535)}\n`).length, 2);
  assert.is(parse(line(65535)).length, 2);
  const error = failure(() => parse(`${line(65536)}\n`));
  assert.is(error.code, 'dockerfile-syntax');
  assert.match(formatError(error), /^Dockerfile:2: Cannot read a line of 65536 bytes: the limit is 65535\n/);
  assert.is(parse(line(65534, 'é')).length, 2);
  assert.is(failure(() => parse(line(65536, 'é'))).code, 'dockerfile-syntax');
  assert.is(failure(() => parse(`FROM a\nRUN <<E\n${'y'.repeat(65536)}\nE\n`)).code, 'dockerfile-syntax');
});

test('joins continuations beyond the limit of a line', () => {
  const [, run] = parse(`FROM a\nRUN ${'x \\\n'.repeat(100_000)}y\n`);
  assert.is(run?.kind === 'run' && run.command.kind === 'shell' && run.command.text.length, 200_001);
});

test('warns of a blank line in a continuation once for each instruction', () => {
  const { warnings } = parseDockerfile({
    name: 'D',
    text: 'FROM a\nRUN x \\\n\n  \n y\nRUN z \\\n# comment\n w\nRUN v \\\n\n',
  });
  assert.equal(
    warnings.map(({ rule, range }) => [rule, range.start.line]),
    [
      ['NoEmptyContinuation', 5],
      ['NoEmptyContinuation', 10],
    ],
  );
});

test('tells `key value` from `key=value` by the first word', () => {
  const kinds = ['A b=c', 'A =b', '"A b"=c', 'A=b', "'A=' b=c", 'A "=b"'].map((args) => {
    const [, env] = parse(`FROM a\nENV ${args}\n`);
    return (
      env?.kind === 'env' &&
      (env.legacy ? 'legacy' : env.pairs.map((pair) => `${pair.key.text}|${pair.value.text}`).join())
    );
  });
  assert.equal(kinds, ['legacy', 'legacy', '"A b"|c', 'A|b', "'A|',b|c", 'legacy']);
});

test('drops an escape character with nothing after it', () => {
  const [, env] = parse('FROM a\nENV A=b\\\\\\\n');
  assert.is(env?.kind === 'env' && env.pairs[0]?.value.text, 'b\\\\');
});

test('lets a quote that is not closed take the rest of the line', () => {
  const [, env] = parse('FROM a\nENV A="b c=d\n');
  assert.equal(env?.kind === 'env' && env.pairs.map(({ value }) => value.text), ['"b c=d']);
});

test('reads escapes in JSON strings, and takes JSON only as a whole', () => {
  const commandOf = (args: string) => {
    const [, cmd] = parse(`FROM a\nCMD ${args}\n`);
    return cmd?.kind === 'cmd' ? cmd.command : undefined;
  };
  assert.equal(commandOf('["\\u0041\\n", "\\\\", "\\"", ""]'), { kind: 'exec', args: ['A\n', '\\', '"', ''] });
  for (const text of ['["a"] b', "['a']", '["a",]', '["a" "b"]', '["\ta"]', '["\\x"]', '["a"', '[a]']) {
    assert.equal(commandOf(text), { kind: 'shell', text, heredocs: [] });
  }
  for (const text of ['[1]', '["a", null]', '[["a"]]', '[{}]', '[true]', '["a", {"b": "c"}]']) {
    assert.is(failure(() => commandOf(text)).code, 'invalid-argument');
  }
});

test('reads heredoc bodies in the order of their markers', () => {
  const [, run, next] = parse('FROM a\nRUN <<A cat - /dev/fd/3 3<<-"B C"\nA B\nA\n\tx\n\t\tB C\nRUN y\n');
  assert.is(next?.kind, 'run');
  assert.equal(
    run?.kind === 'run' &&
      run.command.kind === 'shell' &&
      run.command.heredocs.map(({ name, content, expand, stripTabs, fileDescriptor }) => ({
        name,
        content,
        expand,
        stripTabs,
        fileDescriptor,
      })),
    [
      { name: 'A', content: 'A B\n', expand: true, stripTabs: false, fileDescriptor: '' },
      { name: 'B C', content: 'x\n', expand: false, stripTabs: true, fileDescriptor: '3' },
    ],
  );
});

test('takes the last line of a file as the end of a heredoc without a line feed', () => {
  const [, run] = parse('FROM a\nRUN <<A\nbody\nA');
  assert.is(run?.kind === 'run' && run.command.kind === 'shell' && run.command.heredocs[0]?.content, 'body\n');
});

test('strips tabs after line feeds only', () => {
  const [, copy] = parse('FROM a\nCOPY <<-A /x\n\t\ta\tb\r\tc\n\t\n\t d\n\tA\n');
  const source = copy?.kind === 'copy' ? copy.sources[0] : undefined;
  assert.is(source?.kind === 'heredoc' && source.heredoc.content, 'a\tb\r\tc\n\n d\n');
});

test('accepts durations as Go does', () => {
  const interval = (text: string): number | undefined => {
    const [, check] = parse(`FROM a\nHEALTHCHECK --interval=${text} CMD x\n`);
    return check?.kind === 'healthcheck' && check.check.kind === 'cmd' ? check.check.intervalNs : undefined;
  };
  const valid = {
    '1ms': 1e6,
    '1.5h': 5400e9,
    '+1m1s': 61e9,
    '.5s': 5e8,
    '1.s': 1e9,
    '1000000ns': 1e6,
    '1500µs': 1.5e6,
    '0': undefined,
    '0s': undefined,
  };
  for (const [text, nanoseconds] of Object.entries(valid)) assert.is(interval(text), nanoseconds, text);
  for (const text of [
    '1',
    's',
    '1x',
    '1s ',
    '1 s',
    '-1s',
    '1e3s',
    '.s',
    '1h-1m',
    '999us',
    '-0.1ms',
    '2562048h',
    '0x1s',
    '--',
  ]) {
    assert.is(failure(() => interval(`"${text}"`)).code, 'invalid-flag', text);
  }
});

test('refuses a name that is not a stage', () => {
  for (const name of ['1a', '-a', 'a/b', 'a:b', '$a', 'é', '_a']) {
    assert.is(failure(() => parse(`FROM a AS ${name}\n`)).code, 'invalid-argument', name);
  }
  assert.is(parse('FROM a AS A-b_c.1\n').length, 1);
});

test('does not take a member of Object for a flag', () => {
  assert.is(failure(() => parse('FROM a\nCOPY --constructor=1 a b\n')).code, 'unknown-flag');
  assert.is(failure(() => parse('FROM a\nCONSTRUCTOR x\n')).code, 'unknown-instruction');
});

test('finds the syntax of a file for another frontend', () => {
  for (const text of [
    '// syntax=x/y\nFROM a\n',
    '#!/bin/x\n//syntax = x/y\n',
    '{"syntax": "x/y"}',
    '#!x\n{\n"syntax": "x/y"}\n',
  ]) {
    const error = failure(() => parse(text));
    assert.is(error.code, 'unsupported-feature', text);
    assert.match(error.message, '"x/y"');
  }
  assert.is(failure(() => parse('{"syntax": 1}')).code, 'unknown-instruction');
  assert.is(failure(() => parse('{"syntax"')).code, 'unknown-instruction');
});

test('gives the same tree for line feeds with and without carriage returns', () => {
  const text = '# syntax=a\n# c\nFROM a AS b\nRUN x \\\n  y \\ \n# z\n\n  w\nENV A=1 \\\n B="2"\nCMD ["a",\\\n"b"]\n';
  const tree = (source: string) => {
    const { file: _, ...rest } = parseDockerfile({ name: 'D', text: source });
    return printTree(rest);
  };
  assert.is(tree(text.replaceAll('\n', '\r\n')), tree(text));
});

test('parseTrigger() reads what ONBUILD stored', () => {
  for (const line of [
    'RUN echo  hi',
    'COPY --from=x a "b" /c',
    'RUN <<A cat <<-"B"\n1\nA\n\t2\n\tB',
    'ENV a b c',
    'CMD ["x"]',
  ]) {
    const [, onbuild, after] = parse(`FROM a\nONBUILD ${line}\nRUN last\n`);
    assert.is(after?.kind, 'run');
    assert.is(onbuild?.kind, 'onbuild');
    if (onbuild?.kind !== 'onbuild') return;
    const [, direct] = parse(`FROM a\n${line}\n`);
    const triggered = parseTrigger(onbuild.trigger, { name: 'trigger' });
    const plain = (instruction: Instruction | undefined) =>
      JSON.stringify(instruction, (key, value: unknown) => (key === 'range' ? undefined : value));
    assert.is(plain(triggered), plain(direct));
    assert.is(triggered.range.file.name, 'trigger');
    assert.is(triggered.range.file.text, onbuild.trigger);
  }
});

test('parseTrigger() refuses what is not one instruction of a stage', () => {
  const codes = ['RUN a\nRUN b', 'FROM a', 'ONBUILD RUN a', 'MAINTAINER me', '', '# comment', 'FETCH a', 'RUN <<A'].map(
    (text) => failure(() => parseTrigger(text, { name: 'trigger' })).code,
  );
  assert.equal(codes, [
    'invalid-argument',
    'invalid-argument',
    'invalid-argument',
    'invalid-argument',
    'dockerfile-empty',
    'dockerfile-empty',
    'unknown-instruction',
    'unterminated-heredoc',
  ]);
});

test.run();
