import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { compile } from '../../src/frontend/build.ts';
import type { BuildPlan, CompileOptions, ResolvedBase } from '../../src/frontend/types.ts';
import { parseDockerfile } from '../../src/parser/parse.ts';
import { topologicalOrder } from '../../src/solver/graph.ts';
import { fakeBases, testOptions } from './bases.ts';

const test = suite('compile()');

function plan(text: string, options: Partial<CompileOptions> = {}): Promise<BuildPlan> {
  return compile(parseDockerfile({ name: 'Dockerfile', text }), testOptions(options));
}

async function failure(text: string, options: Partial<CompileOptions> = {}): Promise<BuildError> {
  try {
    await plan(text, options);
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('compile() did not fail');
}

test('resolves each image once for a platform, and only what the target needs', async () => {
  const { resolve, asked } = fakeBases();
  await plan(
    `FROM busybox AS a
     FROM nowhere AS unused
     FROM docker.io/library/busybox:latest AS b
     COPY --from=busybox /a /a
     FROM full
     RUN --mount=from=a,target=/a --mount=from=b,target=/b --mount=type=cache,from=bare,target=/c true`,
    { resolveBase: resolve },
  );
  assert.equal(asked.toSorted(), ['amd64 bare:latest', 'amd64 busybox:latest', 'amd64 full:latest']);
});

test('resolves images at the same time', async () => {
  const waiting: (() => void)[] = [];
  const { resolve } = fakeBases();
  const resolveBase = async (...args: Parameters<typeof resolve>): Promise<ResolvedBase> => {
    // None goes on before all three have been asked for.
    await new Promise<void>((go) => {
      waiting.push(go);
      if (waiting.length === 3) for (const next of waiting) next();
    });
    return resolve(...args);
  };
  await plan('FROM busybox AS a\nFROM full\nCOPY --from=a /a /\nRUN --mount=from=bare,target=/x true', { resolveBase });
  assert.is(waiting.length, 3);
});

test('reports the first failure in the order of the instructions, whichever comes first in time', async () => {
  const { resolve } = fakeBases();
  let fail: (() => void) | undefined;
  const late = new Promise<void>((go) => (fail = go));
  const resolveBase = async (...[reference, platform]: Parameters<typeof resolve>): Promise<ResolvedBase> => {
    if (reference.path === 'library/first') await late;
    else if (reference.path === 'library/second') setImmediate(() => fail?.());
    return resolve(reference, platform);
  };
  const error = await failure('FROM busybox\nCOPY --from=first /a /\nCOPY --from=second /a /', { resolveBase });
  assert.match(error.message, 'first:latest');
  assert.is(error.locations[0]?.start.line, 2);
});

test('lets bugs of the resolver through as they are', async () => {
  const bug = new TypeError('a bug');
  try {
    await plan('FROM busybox', { resolveBase: () => Promise.reject(bug) });
    assert.unreachable();
  } catch (error) {
    assert.is(error, bug);
  }
});

test('makes equal steps of two stages one vertex', async () => {
  const { root } = await plan(
    `FROM busybox AS a
     RUN make
     FROM busybox AS b
     RUN make
     FROM scratch
     COPY --from=a /x /
     COPY --from=b /y /`,
  );
  const commands = topologicalOrder(root).filter(({ op }) => op.kind === 'exec');
  assert.is(commands.length, 1);
});

test('keeps what the base says about unknown platforms, and warns of a foreign one', async () => {
  const { resolve } = fakeBases();
  const foreign: CompileOptions['resolveBase'] = async (reference, platform) => {
    const base = await resolve(reference, platform);
    return { ...base, config: { ...base.config, architecture: 's390x', 'os.version': '7' } };
  };
  const made = await plan('FROM busybox', { resolveBase: foreign });
  assert.is(made.platform.architecture, 's390x');
  assert.is(made.config['os.version'], '7');
  assert.equal(
    made.warnings.map(({ rule }) => rule),
    ['InvalidBaseImagePlatform'],
  );
  const asked = await plan('FROM busybox', { resolveBase: foreign, platformRequested: true });
  assert.is(asked.config.architecture, 'amd64');
});

test('an image without layers is an empty file system', async () => {
  const { resolve } = fakeBases();
  const empty: CompileOptions['resolveBase'] = async (reference, platform) => {
    const base = await resolve(reference, platform);
    return { ...base, config: { ...base.config, rootfs: { type: 'layers', diff_ids: [] }, history: [] } };
  };
  const { root } = await plan('FROM bare', { resolveBase: empty });
  assert.is(root.op.kind, 'scratch');
});

test('passes warnings of the parser on', async () => {
  const made = await plan('FROM busybox\nRUN a \\\n\n  b');
  assert.equal(
    made.warnings.map(({ rule }) => rule),
    ['NoEmptyContinuation'],
  );
});

test('entitlements open what is closed without them', async () => {
  const text = 'FROM busybox\nRUN --network=host --security=insecure true';
  assert.is((await failure(text)).code, 'unsupported-feature');
  const { root } = await plan(text, { entitlements: new Set(['network.host', 'security.insecure'] as const) });
  assert.ok(root.op.kind === 'exec' && root.op.network === 'host' && root.op.security === 'insecure');
});

test('host names, limits and the size of /dev/shm are part of a RUN', async () => {
  const ulimits = [{ name: 'nofile', soft: 1, hard: 2 }];
  const { root } = await plan('FROM busybox\nRUN true', { extraHosts: ['db'], ulimits, shmSizeBytes: 1024 });
  assert.ok(root.op.kind === 'exec');
  if (root.op.kind !== 'exec') return;
  assert.equal(root.op.extraHosts, ['db']);
  assert.equal(root.op.ulimits, ulimits);
  assert.is(root.op.shmSizeBytes, 1024);
});

test('names steps after their stage, right-aligned', async () => {
  const runs = Array.from({ length: 9 }, (_, i) => `RUN ${i}`).join('\n');
  const { root } = await plan(`FROM busybox AS Wide\n${runs}\nFROM wide`);
  const names = topologicalOrder(root).map(({ name }) => name);
  assert.match(names[0] ?? '', /^\[wide {2}1\/10\] FROM docker\.io\/library\/busybox:latest@sha256:/);
  assert.is(names[1], '[wide  2/10] RUN 0');
  assert.is(names[9], '[wide 10/10] RUN 8');
});

test('says what the base was resolved for, where the image is for something else', async () => {
  const made = await plan('FROM --platform=linux/arm64 busybox', { platformRequested: true });
  assert.equal(made.basePlatform, { os: 'linux', architecture: 'arm64' });
  assert.equal(made.platform, { os: 'linux', architecture: 'amd64' });
});

const METADATA: readonly string[] = [
  'LABEL a=b',
  'CMD ["x"]',
  'ENTRYPOINT y',
  'EXPOSE 80',
  'VOLUME /v',
  'STOPSIGNAL 9',
  'HEALTHCHECK NONE',
  'MAINTAINER me',
  'ONBUILD RUN true',
  '# a comment',
];
const STEPS: readonly string[] = ['COPY a /a', 'RUN one', 'ENV A=1', 'WORKDIR /w', 'USER app', 'RUN two', 'ADD b /b'];

test('metadata never changes what is built', async () => {
  const reference = (await plan(`FROM busybox\n${STEPS.join('\n')}\n`)).root.digest;
  const positions = fc.array(fc.tuple(fc.nat(STEPS.length), fc.constantFrom(...METADATA)), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(positions, async (inserted) => {
      const lines: string[] = [...STEPS];
      for (const [at, line] of inserted) lines.splice(at, 0, line);
      assert.is((await plan(`FROM busybox\n${lines.join('\n')}\n`)).root.digest, reference);
    }),
    { numRuns: 30 },
  );
});

test('build arguments that no ARG takes, proxies and labels never change what is built', async () => {
  const text = 'FROM busybox\nARG KNOWN=1\nRUN one\nCOPY a /a\n';
  const reference = (await plan(text)).root.digest;
  // A value of its own meaning, though not one for what is built.
  await plan(text, { buildArgs: new Map([['SOURCE_DATE_EPOCH', '7']]) }).then(({ root, epochMs }) => {
    assert.is(root.digest, reference);
    assert.is(epochMs, 7000);
  });
  const name = fc.constantFrom('UNKNOWN', 'HTTP_PROXY', 'https_proxy', 'BUILDKIT_BUILD_NAME');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, fc.string())), async (given) => {
      const made = await plan(text, { buildArgs: new Map(given), labels: new Map(given) });
      assert.is(made.root.digest, reference);
    }),
    { numRuns: 20 },
  );
  assert.is.not((await plan(text, { buildArgs: new Map([['KNOWN', '2']]) })).root.digest, reference);
});

test('layers in the history are as many as steps that make one', async () => {
  const { root, history } = await plan(`FROM busybox\n${STEPS.join('\n')}\nWORKDIR /\nCOPY --link c /c\nLABEL a=b\n`);
  const layers = history.filter(({ emptyLayer }) => !emptyLayer).length;
  const steps = topologicalOrder(root).filter(({ op }) => op.kind === 'exec' || op.kind === 'file');
  assert.is(layers, steps.length);
});

test('a long chain of stages does not exhaust the stack', async () => {
  const stages = Array.from({ length: 3000 }, (_, i) => `FROM ${i === 0 ? 'busybox' : `s${i - 1}`} AS s${i}\nRUN ${i}`);
  const { root } = await plan(stages.join('\n'));
  assert.is(root.name, '[s2999 1/1] RUN 2999');
});

test.run();
