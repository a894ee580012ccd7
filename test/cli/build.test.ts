import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BuildOutcome, BuildRequest, CallOptions } from '../../src/engine/types.ts';
import { digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { tempDir } from '../support/temp.ts';
import type { CliOptions, CliRun } from './harness.ts';
import { cli, IMAGE_ID } from './harness.ts';

const test = suite('build command');

const MANIFEST = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf('manifest'), size: 8 };
const OUTCOME: BuildOutcome = { imageId: IMAGE_ID, manifest: MANIFEST, names: [], warnings: [] };
const VERTEX = { digest: digestOf('vertex'), name: '[2/2] RUN make' };

async function requested(argv: readonly string[], options: CliOptions = {}): Promise<BuildRequest> {
  let request: BuildRequest | undefined;
  const run = await cli(argv, {
    ...options,
    answers: {
      build: async (asked) => {
        request = asked;
        return OUTCOME;
      },
    },
  });
  assert.is(run.status, 0, run.stderr);
  assert.is(run.closed, 1);
  if (request === undefined) throw new Error('the engine was not asked');
  return request;
}

function building(
  argv: readonly string[],
  build: (options: CallOptions) => BuildOutcome,
  options: CliOptions = {},
): Promise<CliRun> {
  return cli(argv, { ...options, answers: { build: async (_, callOptions) => build(callOptions) } });
}

test('needs only a path', async () => {
  assert.equal(await requested(['.']), {
    context: { kind: 'directory', path: '/client' },
    dockerfile: { kind: 'default' },
    tags: [],
    buildArgs: new Map(),
    noCache: false,
    pull: false,
    network: 'default',
    labels: new Map(),
  });
});

test('is the command when none is named', async () => {
  assert.equal(await requested(['-t', 'app', '.']), await requested(['build', '-t', 'app', '.']));
});

test('passes every flag on', async () => {
  const argv = [
    'build',
    '--target',
    'web',
    '--platform',
    'linux/arm64',
    '--no-cache',
    '--pull',
    '--network=none',
    '-t',
    'a',
    '-t',
    'b:1',
    '--label',
    'k=v=w',
    '--label=l',
    '-f',
    'x/Dockerfile',
    '../app',
  ];
  assert.equal(await requested(argv), {
    context: { kind: 'directory', path: '/app' },
    dockerfile: { kind: 'path', path: '/client/x/Dockerfile', shown: 'x/Dockerfile' },
    tags: ['a', 'b:1'],
    buildArgs: new Map(),
    target: 'web',
    platform: 'linux/arm64',
    noCache: true,
    pull: true,
    network: 'none',
    labels: new Map([
      ['k', 'v=w'],
      ['l', ''],
    ]),
  });
});

test('takes the value of a build argument from the environment when it has none', async () => {
  const argv = [
    '--build-arg',
    'A=1',
    '--build-arg',
    'B',
    '--build-arg',
    'MISSING',
    '--build-arg',
    'C=',
    '--build-arg',
    'A=x=y',
    '.',
  ];
  const { buildArgs } = await requested(argv, { env: { B: 'from env' } });
  assert.equal(Object.fromEntries(buildArgs), { A: 'x=y', B: 'from env', C: '' });
});

test('reads context or Dockerfile from stdin, but not both', async () => {
  assert.is((await requested(['-'], { stdin: 'FROM scratch' })).context.kind, 'stream');
  assert.is((await requested(['-f', '-', '.'], { stdin: 'FROM scratch' })).dockerfile.kind, 'stream');
  const run = await cli(['-f', '-', '-']);
  assert.is(run.status, 2);
  assert.match(run.stderr, 'Cannot read both the context and the Dockerfile from stdin');
});

test('leaves the name of a Dockerfile in a tar as it is', async () => {
  assert.equal((await requested(['-f', 'a/b', '-'])).dockerfile, { kind: 'path', path: 'a/b', shown: 'a/b' });
});

for (const url of ['https://example.com/x.git#main:sub', 'http://example.com/x.tar', 'github.com/a/b']) {
  test(`takes ${url} as a remote context, and its Dockerfile from there`, async () => {
    const request = await requested(['-f', 'a/b', url]);
    assert.equal(request.context, { kind: 'remote', url });
    assert.equal(request.dockerfile, { kind: 'path', path: 'a/b', shown: 'a/b' });
  });
}

test('takes a repository over SSH as a remote context, which implies an agent', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tsbuild-cli-'));
  const socket = join(directory, 'agent');
  const agent = createServer().listen(socket);
  try {
    await once(agent, 'listening');
    const request = await requested(['git@example.com:x.git'], { env: { SSH_AUTH_SOCK: socket } });
    assert.equal(request.context, { kind: 'remote', url: 'git@example.com:x.git' });
    assert.equal(request.sshAgents, new Map([['default', { kind: 'socket', path: socket }]]));
  } finally {
    agent.close();
    await rm(directory, { recursive: true, force: true });
  }
});

test('takes a Dockerfile from a URL', async () => {
  const request = await requested(['-f', 'https://example.com/Dockerfile', '.']);
  assert.equal(request.dockerfile, { kind: 'url', url: 'https://example.com/Dockerfile' });
});

const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['an unknown network', ['--network', 'bridge', '.'], /Cannot use "bridge" for "--network"/],
  ['an unknown progress', ['--progress', 'plan', '.'], /did you mean "plain"/],
  ['a bad tag', ['-t', 'UPPER', '.'], /ERROR: Cannot parse image name "UPPER"/],
  ['a bad platform', ['--platform', 'a/b/c/d', '.'], /Cannot parse platform/],
  ['several platforms', ['--platform', 'linux/amd64,linux/arm64', '.'], /only one platform at a time/],
  ['an image as the context', ['docker-image://alpine'], /images are no build contexts/],
  ['a malformed URL', ['https://example.com/x.git#a..b'], /"a\.\.b" is not a name that git allows/],
  ['a URL without a host', ['http://[x/'], /Cannot use "http:.*": it is not a URL/],
  ['a build argument without a name', ['--build-arg', '=1', '.'], /want KEY=VALUE/],
  [
    'a flag of Docker that is missing',
    ['--squash', '.'],
    /Cannot use flag "--squash" with "build": tsbuild does not support it/,
  ],
  ['two paths', ['a', './b'], /"build" takes 1 argument, got 2/],
];
for (const [what, argv, message] of REFUSED) {
  test(`refuses ${what}`, async () => {
    const run = await cli(['build', ...argv]);
    assert.is(run.status, 2);
    assert.match(run.stderr, message);
    assert.match(run.stderr, "Run 'tsbuild build --help'");
    assert.equal(run.engines, []);
  });
}

test('prints the image and its names to stderr, and only the ID with -q', async () => {
  const outcome = { ...OUTCOME, names: ['app:latest', 'app:1'] };
  const loud = await building(['.'], () => outcome);
  assert.is(loud.stdout, '');
  assert.is(
    loud.stderr,
    `\nSuccessfully built ${IMAGE_ID.slice(7, 19)}\nSuccessfully tagged app:latest\nSuccessfully tagged app:1\n`,
  );
  const quiet = await building(['-q', '.'], () => outcome);
  assert.is(quiet.stdout, `${IMAGE_ID}\n`);
  assert.is(quiet.stderr, '');
});

test('shows the events of the build as they come', async () => {
  const run = await building(['--progress=plain', '.'], ({ progress }) => {
    progress({ kind: 'started', vertex: VERTEX, timeMs: 1000 });
    progress({ kind: 'completed', vertex: VERTEX, timeMs: 1250 });
    return OUTCOME;
  });
  assert.match(run.stderr, '#1 [2/2] RUN make\n#1 DONE 0.3s\n');
});

test('ends a failing build with the last output, the excerpt and a line to search for', async () => {
  const text = 'FROM scratch\nRUN make\n';
  const file = { name: 'Dockerfile', text };
  const failure = new BuildError(
    'run-failed',
    'process "/bin/sh -c make" did not complete successfully: exit code: 2',
    {
      locations: [{ file, start: { line: 2, column: 1 }, end: { line: 2, column: 9 } }],
    },
  );
  const run = await building(['--progress=plain', '.'], ({ progress }) => {
    progress({ kind: 'started', vertex: VERTEX, timeMs: 0 });
    progress({ kind: 'log', vertex: VERTEX, timeMs: 123, stream: 'stderr', data: Buffer.from('no rule\n') });
    progress({ kind: 'failed', vertex: VERTEX, timeMs: 200, error: failure });
    throw failure;
  });
  assert.is(run.status, 1);
  assert.is(run.closed, 1);
  assert.is(
    run.stderr,
    `#1 [2/2] RUN make
#1 0.123 no rule
#1 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
------
 > [2/2] RUN make:
0.123 no rule
------
Dockerfile:2: process "/bin/sh -c make" did not complete successfully: exit code: 2
1     | FROM scratch
2 >>> | RUN make
      | ^^^^^^^^
3     |
ERROR: failed to build: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
`,
  );
});

test('shows the output of a failed step even with -q', async () => {
  const failure = new BuildError('run-failed', 'it failed');
  const run = await building(['-q', '.'], ({ progress }) => {
    progress({ kind: 'log', vertex: VERTEX, timeMs: 0, stream: 'stdout', data: Buffer.from('the reason') });
    progress({ kind: 'failed', vertex: VERTEX, timeMs: 0, error: failure });
    throw failure;
  });
  assert.match(run.stderr, ' > [2/2] RUN make:\n0.000 the reason\n');
});

test('lists warnings at the end, each once', async () => {
  const range = {
    file: { name: 'Dockerfile', text: 'from x' },
    start: { line: 1, column: 1 },
    end: { line: 1, column: 5 },
  };
  const run = await building(['.'], () => ({
    ...OUTCOME,
    warnings: [{ message: 'FromAsCasing: mixed case', range }, { message: 'other' }],
  }));
  assert.match(run.stderr, '\n 2 warnings found:\n - FromAsCasing: mixed case (Dockerfile:1)\n - other\n');
});

test('writes the ID to --iidfile, and removes an old one when the build fails', async () => {
  await using dir = await tempDir();
  await building(['--iidfile', 'id', '.'], () => OUTCOME, { cwd: dir.path });
  assert.is(await readFile(dir.join('id'), 'utf8'), IMAGE_ID);
  await building(
    ['--iidfile', 'id', '.'],
    () => {
      throw new BuildError('run-failed', 'it failed');
    },
    { cwd: dir.path },
  );
  assert.is(await readFile(dir.join('id'), 'utf8').catch((error: NodeJS.ErrnoException) => error.code), 'ENOENT');
});

test('takes the way to show progress from BUILDKIT_PROGRESS', async () => {
  const env = { BUILDKIT_PROGRESS: 'rawjson' };
  const run = await building(['.'], () => OUTCOME, { env });
  assert.equal(JSON.parse(run.stderr), { kind: 'built', imageId: IMAGE_ID, names: [], warnings: [] });
  assert.is((await cli(['.'], { env: { BUILDKIT_PROGRESS: 'nonsense' } })).status, 2);
});

test.run();
