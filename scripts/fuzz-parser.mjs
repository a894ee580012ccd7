// Feeds mutated Dockerfiles to the parser: each must give a tree or a BuildError, in time that grows with its size.
// Usage: node scripts/fuzz-parser.mjs [seconds] [seed]. Keeps an input that fails and exits with 1; put it into fixtures/fuzz/parser.
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';

const seconds = Number(process.argv[2] ?? 30);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const MAX_SIZE = 60_000;

/** Far above what a linear parse needs, far below what a quadratic one takes for a line of the greatest length. */
const allowedMs = (text) => 100 + text.length / 50;

/** What the language gives a meaning to, and characters that texts tend to trip over. */
const KEYWORDS = 'FROM RUN COPY ENV ONBUILD LABEL VOLUME ARG ADD SHELL AS'.split(' ').map((keyword) => `${keyword} `);
const MARKS = '\\ ` " \' $ ${ } ${a:- [ ] ["a", "] , { : << <<A <<-"A" = a= a="b" -- --mount= --from= # \\" 1h -'.split(
  ' ',
);
const LAYOUT = [
  'FROM a\n',
  'HEALTHCHECK CMD ',
  '--link ',
  'A\n',
  '# escape=`\n',
  '# ',
  '\\\n',
  '\n',
  ' ',
  '\t',
  '\r\n',
];
const STRANGERS = ['\ufeff', '\u0085', '\u2028', '\0', '\ud800', 'é'];
const PIECES = KEYWORDS.concat(MARKS, LAYOUT, STRANGERS);

/** A small generator of numbers, so that a seed repeats a run. */
function createRandom(state) {
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const random = createRandom(seed);
const pick = (list) => list[random(list.length)];

function mutate(text, corpus) {
  const at = random(text.length + 1);
  const end = Math.min(text.length, at + random(12));
  const before = text.slice(0, at);
  switch (random(6)) {
    case 0:
      return before + text.slice(end);
    case 1:
      return before + pick(PIECES) + text.slice(at);
    case 2:
      return before + pick(PIECES) + text.slice(end);
    case 3: {
      // What costs more than it should shows only when there is much of it.
      const unit = random(2) === 0 ? pick(PIECES) : text.slice(at, end) || 'x';
      return before + unit.repeat(1 + random(random(4) === 0 ? MAX_SIZE / unit.length : 40)) + text.slice(at);
    }
    case 4: {
      const other = pick(corpus);
      const from = random(other.length + 1);
      return before + other.slice(from, from + random(80)) + text.slice(end);
    }
    default:
      return before + text.slice(at, end).split('').toReversed().join('') + text.slice(end);
  }
}

async function readCorpus(root) {
  const files = [];
  for (const name of await readdir(join(root, 'dockerfile'))) files.push(join(root, 'dockerfile', name, 'Dockerfile'));
  for (const name of await readdir(join(root, 'fuzz/parser'))) files.push(join(root, 'fuzz/parser', name));
  return Promise.all(files.map((file) => readFile(file, 'utf8')));
}

async function loadParser(folder) {
  const outfile = join(folder, 'parser.mjs');
  const contents = `export { parseDockerfile } from './parse.ts'; export { BuildError, formatError } from '../core/errors.ts';`;
  const resolveDir = fileURLToPath(new URL('../src/parser/', import.meta.url));
  await build({
    stdin: { contents, resolveDir },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return import(pathToFileURL(outfile).href);
}

/** Why the parser's answer to `text` is wrong, if it is. */
function check(text, { parseDockerfile, BuildError, formatError }) {
  let bestMs = Infinity;
  for (let attempt = 0; attempt < 4 && bestMs > allowedMs(text); attempt++) {
    // The processor's time: on a busy machine the clock says little.
    const start = process.cpuUsage();
    try {
      parseDockerfile({ name: 'Dockerfile', text });
    } catch (error) {
      if (!(error instanceof BuildError)) return String(error?.stack ?? error);
      if (error.locations.length === 0) return `no place for: ${error.message}`;
      formatError(error);
    }
    bestMs = Math.min(bestMs, process.cpuUsage(start).user / 1000);
  }
  return bestMs > allowedMs(text) ? `${bestMs.toFixed(0)} ms for ${text.length} characters` : undefined;
}

const folder = await mkdtemp(join(tmpdir(), 'fuzz-parser-'));
try {
  const corpus = await readCorpus(fileURLToPath(new URL('../fixtures/', import.meta.url)));
  const parser = await loadParser(folder);
  const until = performance.now() + seconds * 1000;
  let inputs = 0;
  let parsed = 0;
  while (performance.now() < until) {
    let text = pick(corpus);
    for (let i = 1 + random(4); i > 0; i--) text = mutate(text, corpus).slice(0, MAX_SIZE);
    const problem = check(text, parser);
    inputs++;
    if (problem !== undefined) {
      const kept = join(tmpdir(), `fuzz-parser-${seed}-${inputs}`);
      await writeFile(kept, text);
      console.error(`seed ${seed}, input ${inputs}: ${problem}\nkept as ${kept}`);
      process.exitCode = 1;
      break;
    }
    parsed += text.length;
  }
  console.log(`seed ${seed}: ${inputs} inputs, ${parsed} characters`);
} finally {
  await rm(folder, { recursive: true });
}
