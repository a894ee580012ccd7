import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { BuildError, formatError } from '../../src/core/errors.ts';
import * as errors from '../../src/parser/errors.ts';
import { parseDockerfile } from '../../src/parser/parse.ts';
import { printTree } from './print-tree.ts';

const root = fileURLToPath(new URL('../../fixtures/dockerfile/', import.meta.url));
const cases = readdirSync(root).toSorted();
const update = process.env['UPDATE_GOLDEN'] === '1';

const test = suite('parser fixtures');

/** What a case's Dockerfile gives: its tree, or its code and message. */
function resultOf(name: string): { readonly file: 'ast.json' | 'error.txt'; readonly text: string } {
  const text = readFileSync(`${root}${name}/Dockerfile`, 'utf8');
  try {
    return { file: 'ast.json', text: printTree(parseDockerfile({ name: 'Dockerfile', text })) };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return { file: 'error.txt', text: `[${error.code}]\n${formatError(error)}\n` };
  }
}

for (const name of cases) {
  test(`${name}: ${readFileSync(`${root}${name}/description.txt`, 'utf8').trim()}`, () => {
    const { file, text } = resultOf(name);
    if (update) {
      for (const other of ['ast.json', 'error.txt']) rmSync(`${root}${name}/${other}`, { force: true });
      writeFileSync(`${root}${name}/${file}`, text);
    }
    assert.ok(readdirSync(`${root}${name}`).includes(file), `${name} gives ${file}:\n${text}`);
    assert.fixture(text, readFileSync(`${root}${name}/${file}`, 'utf8'));
  });
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

test('every error has a case named for it', () => {
  // parse.test.ts has these: one is about stored triggers, the other needs a very long line.
  const elsewhere = ['severalTriggers', 'lineTooLong'];
  const missing = Object.keys(errors).filter(
    (factory) =>
      !elsewhere.includes(factory) && !cases.some((name) => `${name}-`.startsWith(`error-${kebab(factory)}-`)),
  );
  assert.equal(missing, []);
});

test('every error points into the file and says what is wrong in one sentence', () => {
  for (const name of cases.filter((each) => each.startsWith('error-'))) {
    const text = readFileSync(`${root}${name}/error.txt`, 'utf8');
    const [code = '', message = '', frame = ''] = text.split('\n');
    assert.match(code, /^\[[a-z-]+\]$/, name);
    assert.match(message, /^Dockerfile:\d+: [A-Z].*[^.]$/, name);
    assert.match(frame, /\|/, name);
  }
});

test('every code that the parser can raise has a case', () => {
  const source = readFileSync(new URL('../../src/parser/errors.ts', import.meta.url), 'utf8');
  const codes = new Set([...source.matchAll(/new BuildError\(\s*'([a-z-]+)'/g)].map(([, code]) => code));
  assert.ok(codes.size >= 9);
  for (const name of cases.filter((each) => each.startsWith('error-'))) {
    codes.delete(/^\[([a-z-]+)\]/.exec(readFileSync(`${root}${name}/error.txt`, 'utf8'))?.[1]);
  }
  assert.equal([...codes], []);
});

test.run();
