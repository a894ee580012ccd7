import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { BuildError, formatError } from '../../src/core/errors.ts';
import type { Position, SourceFile, SourceRange } from '../../src/core/source.ts';
import { parseDockerfile } from '../../src/parser/parse.ts';
import type { Instruction } from '../../src/parser/types.ts';
import { from, heredocRun, oneLine } from './generate.ts';

const test = suite('parser properties');

function parse(text: string): readonly Instruction[] {
  return parseDockerfile({ name: 'Dockerfile', text }).instructions;
}

/** Without what depends on the layout of the text; words become their text. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([key]) => !['range', 'keyword', 'source', 'docComment'].includes(key));
  if (members.length === 1 && members[0]?.[0] === 'text' && 'range' in value) return members[0][1];
  return Object.fromEntries(members.map(([key, member]) => [key, plain(member)]));
}

function assertRanges(value: unknown, file: SourceFile): void {
  if (typeof value !== 'object' || value === null || value === file) return;
  if ('start' in value && 'end' in value) {
    const range = value as SourceRange;
    assert.is(range.file, file);
    assertInside(range.start, file);
    assertInside(range.end, file);
    const ordered =
      range.start.line < range.end.line ||
      (range.start.line === range.end.line && range.start.column <= range.end.column);
    assert.ok(ordered, `${JSON.stringify(range.start)} to ${JSON.stringify(range.end)}`);
    return;
  }
  for (const member of Object.values(value)) assertRanges(member, file);
}

function assertInside({ line, column }: Position, file: SourceFile): void {
  const text = file.text.split('\n')[line - 1];
  assert.ok(text !== undefined && column >= 1 && column <= text.length + 1, `${line}:${column} is outside the file`);
}

/** A tree with sound ranges, or an error of the user's that can be shown. */
function assertParsesOrExplains(text: string): void {
  try {
    const dockerfile = parseDockerfile({ name: 'Dockerfile', text });
    assertRanges(dockerfile, dockerfile.file);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const [range] = error.locations;
    if (range === undefined) throw error;
    assertRanges(range, range.file);
    assert.match(formatError(error), /^Dockerfile:\d+: [A-Z]/);
  }
}

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const corpus = readdirSync(`${fixtures}dockerfile`).map((name) =>
  readFileSync(`${fixtures}dockerfile/${name}/Dockerfile`, 'utf8'),
);

test('what is printed is what is read', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(from, oneLine, heredocRun), { maxLength: 8 }), (instructions) => {
      const text = ['FROM a', ...instructions.map((each) => each.text), ''].join('\n');
      assert.equal(plain(parse(text).slice(1)), plain(instructions.map((each) => each.expected)));
    }),
    { numRuns: 150 },
  );
});

test('continuations, comments and indentation change nothing but places', () => {
  const continuation = fc.constantFrom('\\\n', '\\ \t\n', '\\\n  # comment \\\n', '\\\n\n', '\\\r\n#\n');
  const cuts = fc.array(fc.tuple(fc.nat(), continuation), { maxLength: 5 });
  let inserted = 0;
  fc.assert(
    fc.property(oneLine, cuts, ({ text }, places) => {
      const offsets = [...new Set(places.map(([place]) => place % text.length))].toSorted((a, b) => a - b);
      let cut = text.slice(0, offsets[0]);
      for (const [index, offset] of offsets.entries()) {
        const next = text.slice(offset, offsets[index + 1]);
        // After an escape character it would not continue, and a rest that begins with # would be a comment.
        const joins = !cut.endsWith('\\') && !next.trimStart().startsWith('#') && next.trim() !== '';
        if (joins) inserted++;
        cut += joins ? `${places[index]?.[1]}${next}` : next;
      }
      assert.equal(plain(parse(`FROM a\n  ${cut}\n`)), plain(parse(`FROM a\n${text}\n`)));
    }),
    { numRuns: 150 },
  );
  assert.ok(inserted > 100, `only ${inserted} continuations were tried`);
});

test('every range lies inside the file, and a word is where its range says', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(oneLine, heredocRun), { maxLength: 6 }), (instructions) => {
      const text = ['FROM a', ...instructions.map((each) => each.text)].join('\n');
      const { file, instructions: parsed } = parseDockerfile({ name: 'D', text });
      assertRanges(parsed, file);
      const lines = text.split('\n');
      for (const { range, keyword } of parsed) {
        const { line, column } = range.start;
        assert.is(lines[line - 1]?.slice(column - 1, column - 1 + keyword.length), keyword);
      }
    }),
    { numRuns: 100 },
  );
});

test('any text gives a tree or an error with a place', () => {
  const characters = fc.constantFrom(
    ...'FROM RUN COPY ENV a=<<-EOF\n\n\\`"\'[]{}$#,:-\t\r'.split(''),
    '--',
    '\u0085',
    '\ufeff',
    '\u2028',
    '\ud800',
    'FROM a\n',
  );
  fc.assert(fc.property(fc.string({ unit: characters, maxLength: 120 }), assertParsesOrExplains), { numRuns: 300 });
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), assertParsesOrExplains), { numRuns: 200 });
});

test('a changed Dockerfile gives a tree or an error with a place', () => {
  const change = fc.record({
    at: fc.nat(),
    drop: fc.nat(6),
    add: fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom(...corpus)),
  });
  fc.assert(
    fc.property(fc.constantFrom(...corpus), fc.array(change, { minLength: 1, maxLength: 4 }), (original, changes) => {
      let text = original;
      for (const { at, drop, add } of changes) {
        const offset = at % (text.length + 1);
        text = text.slice(0, offset) + add + text.slice(offset + drop);
      }
      assertParsesOrExplains(text);
    }),
    { numRuns: 200 },
  );
});

for (const name of readdirSync(`${fixtures}fuzz/parser`)) {
  test(`fuzz input ${name} gives a tree or an error with a place`, () => {
    assertParsesOrExplains(readFileSync(`${fixtures}fuzz/parser/${name}`, 'utf8'));
  });
}

test.run();
