/** Every Dockerfile of the fixtures that is wrong, built on one store: the report is the golden one, and the store stays as it was. */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError, formatError } from '../../src/core/errors.ts';
import { createEngine } from '../../src/engine.ts';
import type { BuildRequest, CallOptions } from '../../src/engine/types.ts';
import { rejectsWith } from '../support/assert.ts';
import { busyboxTar } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';

const suiteOfErrors = suite('bad Dockerfiles, end to end');
const test = privileged(suiteOfErrors);
const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const CALL: CallOptions = { signal: new AbortController().signal, progress: () => undefined };

interface Case {
  readonly name: string;
  readonly dir: string;
  /** The code and the report. */
  readonly golden: string;
}

/** Those whose images are not in the store either way: what a registry says is no part of them. */
const NEEDS_REGISTRY = /Cannot find image|^ONBUILD of /m;

function casesIn(folder: string): Case[] {
  const root = join(FIXTURES, folder);
  return readdirSync(root)
    .toSorted()
    .flatMap((name) => {
      const dir = join(root, name);
      const path = join(dir, 'error.txt');
      if (!existsSync(path)) return [];
      const golden = readFileSync(path, 'utf8').replace(/^\[(.*)\]$/m, '$1');
      return NEEDS_REGISTRY.test(golden) ? [] : [{ name: `${folder}/${name}`, dir, golden }];
    });
}

interface Options {
  /** Those that stand for stages; in fixtures with an error there are no others. */
  readonly contexts?: Readonly<Record<string, { readonly kind: 'stage'; readonly name: string }>>;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
}

function requestOf(dir: string): BuildRequest {
  const path = join(dir, 'options.json');
  const {
    buildArgs = {},
    contexts = {},
    target,
  } = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Options) : {};
  return {
    context: { kind: 'directory', path: dir },
    dockerfile: { kind: 'path', path: join(dir, 'Dockerfile'), shown: 'Dockerfile' },
    tags: ['bad'],
    buildArgs: new Map(Object.entries(buildArgs)),
    namedContexts: new Map(
      Object.entries(contexts).map(([name, context]) => [name, { kind: 'target', stage: context.name }]),
    ),
    ...(target !== undefined && { target }),
    noCache: false,
    pull: false,
    network: 'none',
    labels: new Map(),
  };
}

/** Everything below `root`, directories too, with what would tell of a change of a file. */
function listing(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => {
      const stats = lstatSync(join(root, path), { bigint: true });
      const { mode, size, mtimeNs, ino } = stats;
      return `${path} ${mode.toString(8)}${stats.isDirectory() ? '' : ` ${size} ${mtimeNs} ${ino}`}`;
    })
    .toSorted();
}

test('a bad Dockerfile is reported as its fixture says, and leaves the store as it was', async () => {
  await using dir = await tempDir();
  const root = dir.join('store');
  await using engine = await createEngine({ root });
  const stream = (async function* () {
    yield busyboxTar();
  })();
  await engine.import({ kind: 'stream', stream }, 'busybox', [], CALL);
  const before = listing(root);
  const cases = [...casesIn('dockerfile'), ...casesIn('frontend')];
  assert.ok(cases.length > 100, String(cases.length));
  for (const { name, dir: fixture, golden } of cases) {
    const error = await engine.build(requestOf(fixture), CALL).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    if (!(error instanceof BuildError)) throw error ?? new Error(`${name} can be built`);
    assert.is(`${error.code}\n${formatError(error)}\n`, golden, name);
    assert.equal(listing(root), before, `${name}: the store`);
  }
});

test('all that a bad Dockerfile makes of a new store is the empty directory of leases', async () => {
  await using dir = await tempDir();
  await using engine = await createEngine({ root: dir.join('store') });
  const fixture = join(FIXTURES, 'dockerfile/error-unknown-instruction');
  await rejectsWith('unknown-instruction', () => engine.build(requestOf(fixture), CALL));
  assert.equal(readdirSync(dir.join('store'), { recursive: true }), ['leases']);
});

suiteOfErrors.run();
