/** The rules of this repository that no compiler checks. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ERROR_CODES } from '../src/core/errors.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const test = suite('repository');

/** Who may import whom, as docs/architecture.md has it. `type:` allows `import type` alone. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  oci: ['core'],
  grammar: ['core', 'type:parser'],
  parser: ['core', 'grammar'],
  solver: ['core'],
  frontend: ['core', 'oci', 'parser', 'solver'],
  context: ['core', 'layer'],
  content: ['core', 'oci'],
  'runtime-native': ['core', 'oci'],
  snapshot: ['core'],
  layer: ['core', 'oci', 'runtime-native'],
  cache: ['core', 'solver'],
  registry: ['core', 'oci', 'content', 'type:image'],
  image: ['core', 'oci', 'content', 'layer', 'snapshot', 'runtime-native'],
  executor: ['core', 'oci', 'solver', 'context', 'content', 'runtime-native', 'snapshot', 'layer', 'cache', 'image'],
  container: ['core', 'oci', 'image', 'snapshot', 'runtime-native'],
  engine: [
    'core',
    'oci',
    'parser',
    'solver',
    'frontend',
    'context',
    'content',
    'runtime-native',
    'snapshot',
    'layer',
    'cache',
    'registry',
    'image',
    'executor',
    'container',
  ],
  cli: ['core', 'oci', 'engine'],
};

/** All that the command line may see of the engine. */
const ENGINE_API = ['src/engine.ts', 'src/engine/types.ts'];

/** Committed files, and new ones that are not ignored. */
const FILES = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
  maxBuffer: 64 << 20,
})
  .split('\0')
  .filter((path) => path !== '' && statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile() === true);
const SOURCES = FILES.filter((path) => /^(?:src|grammar)\/.*\.ts$/.test(path) && !path.endsWith('.generated.ts'));
const TESTS = FILES.filter((path) => /^test\/.*\.ts$/.test(path));
const DOCUMENTS = FILES.filter((path) => path.endsWith('.md') && !path.startsWith('fixtures/'));

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** `src/core/errors.ts` belongs to `core`, `src/engine.ts` to `engine`. */
function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  return top === 'src' ? second.replace(/\.ts$/, '') : top;
}

interface Import {
  readonly path: string;
  readonly isType: boolean;
}

/** Relative imports, static, of types and dynamic, as paths from the root. */
function importsOf(path: string): Import[] {
  const found = read(path).matchAll(
    /(?:\b(import|export)\s+(type\s+)?[^'"();]*?\bfrom\s*|\bimport\s*\(\s*|\bimport\s*)'(\.[^']+)'/g,
  );
  return [...found].map(([, , type, target = '']) => ({
    path: normalize(join(dirname(path), target)),
    isType: type !== undefined,
  }));
}

test('finds the sources and the imports that it checks', () => {
  assert.ok(SOURCES.length > 100, String(SOURCES.length));
  assert.ok(TESTS.length > 30, String(TESTS.length));
  const paths = importsOf('src/cli/process.ts').map(({ path }) => path);
  assert.ok(paths.includes('src/engine.ts') && paths.includes('src/cli/main.ts'), paths.join());
  assert.ok(importsOf('src/cli/types.ts').every(({ isType }) => isType));
});

test('imports go downwards only', () => {
  const wrong: string[] = [];
  for (const source of SOURCES) {
    const from = folderOf(source);
    const allowed = MAY_IMPORT[from];
    if (allowed === undefined) wrong.push(`${source}: the folder "${from}" is not in the table`);
    for (const { path, isType } of importsOf(source)) {
      const to = folderOf(path);
      if (to === from || allowed?.includes(to) === true || (isType && allowed?.includes(`type:${to}`) === true))
        continue;
      wrong.push(`${source} imports ${path}`);
    }
  }
  assert.equal(wrong, []);
});

test('the command line knows the engine by its interface alone', () => {
  const wrong = SOURCES.filter((path) => folderOf(path) === 'cli').flatMap((source) =>
    importsOf(source)
      .filter(({ path }) => folderOf(path) === 'engine' && !ENGINE_API.includes(path))
      .map(({ path }) => `${source} imports ${path}`),
  );
  assert.equal(wrong, []);
});

test('docs/architecture.md has the same table', () => {
  const rows = new Map(
    [...read('docs/architecture.md').matchAll(/^\| (`[^|]+?) +\| [^|]+ \| ([^|]+?) +\|$/gm)].map(
      ([, name = '', cell = '']) => [/`([\w-]+)/.exec(name)?.[1] ?? '', cell] as const,
    ),
  );
  assert.equal([...rows.keys()].sort(), Object.keys(MAY_IMPORT).sort());
  for (const [folder, cell] of rows) {
    // `all above but …` is a rule of its own.
    if (cell.startsWith('all above')) continue;
    const listed = cell === 'nothing' ? [] : cell.split(', ').map((item) => item.replace(/^(\w+)'s types$/, 'type:$1'));
    assert.equal(listed.sort(), [...(MAY_IMPORT[folder] ?? [])].sort(), folder);
  }
});

test('only the command line and the engine look at the environment', () => {
  const wrong = SOURCES.filter(
    (path) => !['cli', 'engine'].includes(folderOf(path)) && /\bprocess\.env\b/.test(read(path)),
  );
  assert.equal(wrong, []);
});

test('nothing is sorted by the locale', () => {
  assert.equal(
    SOURCES.filter((path) => read(path).includes('localeCompare')),
    [],
  );
});

test('every suite runs, and runs as a whole', () => {
  const suites = TESTS.filter((path) => path.endsWith('.test.ts'));
  // A suite may be made, and run, by what it imports from the tests.
  const runs = (path: string): boolean => /^\s*\w+\.run\(\);$/m.test(read(path));
  const helpers = (path: string): string[] =>
    importsOf(path).flatMap((item) => (TESTS.includes(item.path) ? item.path : []));
  assert.equal(
    suites.filter((path) => !runs(path) && !helpers(path).some(runs)),
    [],
  );
  assert.equal(
    TESTS.filter((path) => /^\s*\w+\.only\(/m.test(read(path))),
    [],
  );
});

test('docs/errors.md lists the codes of the sources with their statuses', () => {
  const listed = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` +\| +(\d+) +\|/gm)].map(
    ([, code, status]) => `${code} ${status}`,
  );
  const wanted = Object.entries(ERROR_CODES).map(([code, status]) => `${code} ${status}`);
  assert.equal(listed, wanted);
});

test('documents name scripts and files that exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
  const wrong: string[] = [];
  for (const document of DOCUMENTS) {
    const text = read(document);
    for (const [, run, direct] of text.matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(test)\b)/g)) {
      const name = run ?? direct ?? '';
      if (!Object.hasOwn(scripts, name)) wrong.push(`${document}: npm run ${name}`);
    }
    for (const [path] of text.matchAll(/\b(?:scripts|bin)\/[\w.-]*\w/g))
      if (!existsSync(join(ROOT, path))) wrong.push(`${document}: ${path}`);
    for (const [, target = ''] of text.matchAll(/\]\((?!\w+:|#)([^)#]+)/g)) {
      if (!existsSync(join(ROOT, dirname(document), target))) wrong.push(`${document}: ${target}`);
    }
  }
  assert.ok(DOCUMENTS.includes('README.md'));
  assert.equal(wrong, []);
});

test('no file names this machine or a package registry', () => {
  // Put together here, so that this file does not name them either.
  const names = [ROOT.replace(/\/$/, ''), ['', 'work', 'shared'].join('/'), ['registry', 'npmjs'].join('.')].filter(
    (name) => name.length > 3,
  );
  const wrong = FILES.filter((path) => names.some((name) => readFileSync(join(ROOT, path)).includes(name)));
  assert.equal(wrong, []);
  assert.not.match(read('package-lock.json'), '"resolved"');
});

test.run();
