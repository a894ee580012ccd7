/** `build --check` and `build --call`, which answer without an engine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CliRun } from './harness.ts';
import { cli } from './harness.ts';

const test = suite('build --check and --call');

/** As in a checkout whose base images nobody has. */
const OUTLINED = `# GLOBAL the global thing
ARG GLOBAL=1
ARG UNUSED=2
ARG BASE=registry.invalid/base

# base the base image
FROM \${BASE} AS base
ARG GLOBAL
# LOCAL a local
ARG LOCAL=\${GLOBAL}x
ARG NOVALUE
RUN --mount=type=secret,id=tok --mount=type=secret,id=need,required=true --mount=type=ssh,id=a true

FROM base
ARG OTHER=5

# release final one
FROM --platform=$BUILDPLATFORM scratch AS release
COPY --from=base /a /b
ARG TARGETARCH
RUN --mount=type=cache,target=/root/x echo
`;

async function build(dockerfile: string, ...flags: string[]): Promise<CliRun> {
  const cwd = mkdtempSync(join(tmpdir(), 'tsbuild-calls-'));
  try {
    writeFileSync(join(cwd, 'Dockerfile'), dockerfile);
    const run = await cli(['--root', join(cwd, 'no', 'store'), 'build', ...flags, '-f', 'Dockerfile', '.'], { cwd });
    assert.is(run.engines.length, 0, 'no store is opened');
    return run;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

test('--check prints findings with their lines and fails', async () => {
  const run = await build('FROM scratch as a\nRUN echo \\\n  hi\n', '--check');
  assert.is(run.status, 1);
  assert.is(
    run.stdout,
    `Check complete, 1 warning has been found!

WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
'as' and 'FROM' keywords' casing do not match
Dockerfile:1
--------------------
   1 | >>> FROM scratch as a
   2 |     RUN echo \\
   3 |       hi
--------------------
`,
  );
  assert.is(run.stderr, '');
});

test('--check without findings succeeds, as does ignorestatus with some', async () => {
  const clean = await build('FROM scratch\n', '--call=check');
  assert.equal([clean.status, clean.stdout], [0, 'Check complete, no warnings found.\n']);
  assert.is((await build('FROM scratch as a\n', '--call', 'lint,ignorestatus')).status, 0);
});

test('--check looks at all stages, or at what the target needs', async () => {
  const text = 'FROM scratch AS one\nENV a b\nFROM scratch AS two\n';
  assert.is((await build(text, '--check')).status, 1);
  assert.is((await build(text, '--check', '--target', 'two')).status, 0);
});

test('--check prints what was found before it failed, and then why', async () => {
  const run = await build('FROM scratch as a\nEXPOSE nope\n', '--check');
  assert.is(run.status, 3);
  assert.match(run.stdout, 'WARNING: FromAsCasing');
  assert.match(run.stderr, 'Dockerfile:2: Cannot expose "nope"');
});

test('error=true makes findings an error of the Dockerfile', async () => {
  const run = await build('# check=error=true\nFROM scratch as a\nCMD a\n', '--check');
  assert.is(run.status, 3);
  assert.match(run.stdout, '2 warnings have been found!');
  assert.match(run.stderr, 'Lint violation found for rules: FromAsCasing, JSONArgsRecommended\n');
  const skipped = '--build-arg=BUILDKIT_DOCKERFILE_CHECK=skip=all';
  assert.is((await build('# check=error=true\nFROM scratch as a\nCMD a\n', '--check', skipped)).status, 0);
});

test('variables of a base that is not at hand are not called undefined, slips of known ones are', async () => {
  const text = 'FROM registry.invalid/base\nARG VERSION=1\nENV A=$JAVA_HOME B=$VERSOIN\nCMD a\n';
  const { stdout } = await build(text, '--check');
  assert.match(stdout, "Usage of undefined variable '$VERSOIN' (did you mean $VERSION?)");
  assert.match(stdout, 'Check complete, 2 warnings have been found!');
});

test('check as JSON has the fields of Docker', async () => {
  const run = await build('FROM scratch\nCMD run \\\n  me\n', '--check', '--call=build,format=json');
  const line = (number: number): object => ({ start: { line: number }, end: { line: number } });
  assert.equal(JSON.parse(run.stdout), {
    warnings: [
      {
        ruleName: 'JSONArgsRecommended',
        description:
          'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
        url: 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
        detail: 'JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
        location: { ranges: [line(2), line(3)] },
      },
    ],
    sources: [
      {
        filename: 'Dockerfile',
        data: Buffer.from('FROM scratch\nCMD run \\\n  me\n').toString('base64'),
        language: 'Dockerfile',
      },
    ],
  });
  assert.is(run.status, 1);
});

test('outline lists what the target and what it needs take', async () => {
  const run = await build(OUTLINED, '--call=outline', '--build-arg', 'LOCAL=set');
  assert.is(run.status, 0);
  assert.is(
    run.stdout,
    `TARGET:      release
DESCRIPTION: final one

BUILD ARG   VALUE                   DESCRIPTION
GLOBAL      1                       the global thing
BASE        registry.invalid/base   
LOCAL       set                     a local
NOVALUE                             

SECRET   REQUIRED
tok      
need     true

SSH   REQUIRED
a     

CACHE
/root/x

`,
  );
});

test('outline as JSON leaves out what is empty', async () => {
  const run = await build('FROM scratch\nARG x=1 y\n', '--call=outline,format=json');
  const { sources, ...outline } = JSON.parse(run.stdout) as Record<string, unknown>;
  const location = { ranges: [{ start: { line: 2 }, end: { line: 2 } }] };
  assert.equal(outline, {
    args: [
      { name: 'x', value: '1', location },
      { name: 'y', location },
    ],
  });
  assert.equal(sources, [Buffer.from('FROM scratch\nARG x=1 y\n').toString('base64')]);
});

test('outline of a target that is not there says so', async () => {
  const run = await build(OUTLINED, '--call=outline', '--target=relase');
  assert.is(run.status, 3);
  assert.match(run.stderr, 'did you mean "release"?');
});

test('targets lists stages, descriptions and the default', async () => {
  assert.is(
    (await build(OUTLINED, '--call=targets')).stdout,
    'TARGET            DESCRIPTION\nbase              the base image\n                  \nrelease (default) final one\n',
  );
  const { targets } = JSON.parse((await build(OUTLINED, '--call', 'targets,format=json')).stdout) as {
    targets: Record<string, unknown>[];
  };
  assert.equal(
    targets.map(({ location: _location, ...target }) => target),
    [
      { name: 'base', description: 'the base image', base: '${BASE}' },
      { base: 'base' },
      { name: 'release', default: true, description: 'final one', base: 'scratch', platform: '$BUILDPLATFORM' },
    ],
  );
});

test('calls that do not exist are refused', async () => {
  const refused = async (...flags: string[]): Promise<string> => {
    const run = await build('FROM scratch\n', ...flags);
    assert.is(run.status, 2);
    return run.stderr;
  };
  assert.match(await refused('--call=outlin'), 'did you mean "outline"?');
  assert.match(await refused('--call=check,format=xml'), 'Cannot use "format=xml" in "--call"');
  assert.match(await refused('--call=targets', '--check'), 'Cannot use "--check" together with "--call=targets"');
});

test('--call=subrequests.describe says what can be asked, as Docker does', async () => {
  const text = await build('FROM scratch\n', '--call=subrequests.describe');
  assert.is(text.status, 0, text.stderr);
  assert.is(
    text.stdout,
    [
      'NAME                 VERSION DESCRIPTION',
      'outline              1.0.0   List all parameters current build target supports',
      'targets              1.0.0   List all targets current build supports',
      'subrequests.describe 1.0.0   List available subrequest types',
      '',
    ].join('\n'),
  );
  const json = await build('FROM scratch\n', '--call=subrequests.describe,format=json');
  const metadata = [
    { name: 'result.json', description: '' },
    { name: 'result.txt', description: '' },
  ];
  const described = JSON.parse(json.stdout) as readonly { readonly name: string }[];
  assert.equal(
    described.map(({ name }) => name),
    ['frontend.outline', 'frontend.targets', 'frontend.subrequests.describe'],
  );
  assert.equal(described[0], {
    name: 'frontend.outline',
    version: '1.0.0',
    type: 'rpc',
    description: 'List all parameters current build target supports',
    opts: [{ name: 'target', description: 'Target build stage' }],
    inputs: null,
    metadata,
    refs: null,
  });
});

test('a stage that stands for a name is looked at as if it were written there', async () => {
  const file = 'FROM name\nARG OWN=1\nFROM scratch AS other\nARG THEIRS=2\nCMD a\n';
  const first = file.replace('FROM name', 'FROM name AS first');
  const outline = await build(first, '--call=outline', '--target=first', '--build-context', 'name=target:other');
  assert.match(outline.stdout, /OWN +1[^]*THEIRS +2/);
  const check = await build(file, '--check', '--build-context', 'name=target:other');
  assert.match(check.stdout, /JSONArgsRecommended/);
  const wrong = await build(file, '--call=outline', '--build-context', 'name=target:othr');
  assert.match(wrong.stderr, /Cannot find the stage "othr"[^]*did you mean "other"/);
});

test.run();
