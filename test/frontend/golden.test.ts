/**
 * Compiles fixtures/frontend/<case>/Dockerfile and compares the graph and the config, or the error report, with the files beside it.
 * UPDATE_GOLDEN=1 rewrites them. options.json: buildArgs, target, platform (asked for), buildPlatform, noCache, noCacheStages, network, labels, contexts.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError, formatError } from '../../src/core/errors.ts';
import { parsePlatform } from '../../src/core/platform.ts';
import { compile } from '../../src/frontend/build.ts';
import * as errors from '../../src/frontend/errors.ts';
import type { BuildPlan, CompileOptions, NamedContext } from '../../src/frontend/types.ts';
import { parseDockerfile } from '../../src/parser/parse.ts';
import { topologicalOrder } from '../../src/solver/graph.ts';
import { fakeBases, testOptions } from './bases.ts';

const test = suite('frontend fixtures');
const root = fileURLToPath(new URL('../../fixtures/frontend/', import.meta.url));
const update = process.env['UPDATE_GOLDEN'] === '1';
const ANSWERS = ['graph.json', 'config.json', 'error.txt'] as const;

interface Options {
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform?: string;
  readonly buildPlatform?: string;
  readonly noCache?: boolean;
  readonly noCacheStages?: readonly string[];
  readonly network?: CompileOptions['network'];
  readonly labels?: Readonly<Record<string, string>>;
  readonly contexts?: Readonly<Record<string, NamedContext>>;
}

function readOptions(directory: string): { readonly options: CompileOptions; readonly asked: readonly string[] } {
  const path = `${directory}/options.json`;
  const given = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Options) : {};
  const { resolve, asked } = fakeBases();
  const options = testOptions({
    resolveBase: resolve,
    buildArgs: new Map(Object.entries(given.buildArgs ?? {})),
    labels: new Map(Object.entries(given.labels ?? {})),
    contexts: new Map(Object.entries(given.contexts ?? {})),
    noCache: given.noCache ?? false,
    network: given.network ?? 'default',
    ...(given.noCacheStages !== undefined && { noCacheStages: given.noCacheStages }),
    ...(given.target !== undefined && { target: given.target }),
    ...(given.platform !== undefined && { targetPlatform: parsePlatform(given.platform), platformRequested: true }),
    ...(given.buildPlatform !== undefined && { buildPlatform: parsePlatform(given.buildPlatform) }),
  });
  return { options, asked };
}

/** Digests are replaced by numbers, so that a fixture says what matters. */
function describe(plan: BuildPlan, asked: readonly string[]): { graph: unknown; config: unknown } {
  const order = topologicalOrder(plan.root);
  const graph = order.map((vertex, id) => ({
    id,
    name: vertex.name.replaceAll(/@sha256:[0-9a-f]{64}/g, '@sha256:…'),
    ...(vertex.inputs.length > 0 && { inputs: vertex.inputs.map((input) => order.indexOf(input)) }),
    ...(vertex.ignoreCache && { ignoreCache: true }),
    lines: vertex.locations.map(({ file, start, end }) => `${file.name}:${start.line}-${end.line}`).join(' '),
    op: vertex.op.kind === 'image' ? { ...vertex.op, manifest: 'sha256:…' } : vertex.op,
  }));
  const { root: _, base, warnings, ...rest } = plan;
  const config = {
    base: base?.reference ?? null,
    asked: asked.toSorted(),
    ...rest,
    warnings: warnings.map(({ rule, message, range }) => ({ rule, message, line: range?.start.line })),
  };
  return { graph, config };
}

/** The factories that made the errors of the cases. */
const raised = new Set<string>();

/** The function of errors.ts that is on the stack of its making. */
function factoryOf(error: BuildError): string | undefined {
  return /^ +at (?:async )?(\w+) \(.*\/src\/frontend\/errors\.ts[:)]/m.exec(error.stack ?? '')?.[1];
}

async function answersFor(name: string): Promise<Partial<Record<(typeof ANSWERS)[number], string>>> {
  const directory = root + name;
  const text = readFileSync(`${directory}/Dockerfile`, 'utf8');
  try {
    const { options, asked } = readOptions(directory);
    const plan = await compile(parseDockerfile({ name: 'Dockerfile', text }), options);
    const { graph, config } = describe(plan, asked);
    return { 'graph.json': toJson(graph), 'config.json': toJson(config) };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const factory = factoryOf(error);
    if (factory !== undefined) raised.add(factory);
    return { 'error.txt': `${error.code}\n${formatError(error)}\n` };
  }
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

for (const name of readdirSync(root).toSorted()) {
  test(name, async () => {
    const answers = await answersFor(name);
    for (const file of ANSWERS) {
      const path = `${root}${name}/${file}`;
      const answer = answers[file];
      if (update && answer === undefined) rmSync(path, { force: true });
      else if (update && answer !== undefined) writeFileSync(path, answer);
      assert.fixture(existsSync(path) ? readFileSync(path, 'utf8') : '', answer ?? '', `${name}/${file}`);
    }
  });
}

test('every error of errors.ts is in some case', () => {
  assert.equal(
    Object.keys(errors).filter((factory) => !raised.has(factory)),
    [],
  );
});

test.run();
