import { writeFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { ContainerSummary, Engine, RunRequest } from '../../src/engine/types.ts';
import { tempDir } from '../support/temp.ts';
import type { CliOptions } from './harness.ts';
import { cli, NOW_MS } from './harness.ts';

const test = suite('container commands');

const HOUR_MS = 3_600_000;

const CONTAINERS: readonly ContainerSummary[] = [
  {
    id: 'a'.repeat(64),
    name: 'old',
    image: 'app',
    command: ['sh', '-c', 'while true; do :; done'],
    createdAtMs: NOW_MS - 3 * HOUR_MS,
    ports: [],
    state: { kind: 'exited', code: 3 },
  },
  {
    id: 'b'.repeat(64),
    name: 'new',
    image: 'app:1',
    command: ['sh'],
    createdAtMs: NOW_MS - HOUR_MS,
    ports: [{ protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, containerPort: 80 }],
    state: { kind: 'running', pid: 7 },
  },
];

test('lists containers', async () => {
  const ps = (...argv: readonly string[]) =>
    cli(['ps', ...argv], { answers: { containers: async () => [...CONTAINERS] } });
  assert.is(
    (await ps('-a')).stdout,
    `CONTAINER ID   IMAGE     COMMAND                  CREATED             STATUS       PORTS                  NAMES
bbbbbbbbbbbb   app:1     "sh"                     About an hour ago   Up           0.0.0.0:8080->80/tcp   new
aaaaaaaaaaaa   app       "sh -c while true; d…"   3 hours ago         Exited (3)                          old
`,
  );
  assert.is((await ps('-q')).stdout, 'bbbbbbbbbbbb\n');
});

test('removes containers one by one', async () => {
  const removeContainer: Engine['removeContainer'] = async (name, force) => {
    if (name === 'busy' && !force)
      throw new BuildError('container-in-use', 'Cannot remove container "busy": it is running');
    return 'a'.repeat(64);
  };
  const run = await cli(['rm', 'busy', 'old'], { answers: { removeContainer } });
  assert.equal(
    [run.status, run.stdout, run.stderr],
    [1, 'old\n', 'ERROR: Cannot remove container "busy": it is running\n'],
  );
  assert.is((await cli(['rm', '-f', 'busy'], { answers: { removeContainer } })).status, 0);
});

async function runRequest(argv: readonly string[], options: CliOptions = {}): Promise<RunRequest> {
  let request: RunRequest | undefined;
  const run = await cli(['run', ...argv], {
    ...options,
    answers: {
      run: async (asked) => {
        request = asked;
        return { containerId: 'a'.repeat(64), exitCode: 0 };
      },
    },
  });
  assert.is(run.status, 0, run.stderr);
  if (request === undefined) throw new Error('the engine was not asked');
  return request;
}

test('runs an image with the defaults', async () => {
  assert.equal(await runRequest(['app']), {
    image: 'app',
    command: [],
    env: [],
    volumes: [],
    network: 'default',
    extraHosts: [],
    remove: false,
    interactive: false,
    tty: false,
    init: false,
    pull: 'missing',
  });
});

test('passes the flags of run on, and leaves those of the command alone', async () => {
  const argv = [
    '--rm',
    '-it',
    '-eA=1',
    '-e',
    'B',
    '-e',
    'GONE',
    '-w',
    '/w',
    '-u1000:1000',
    '-v',
    './x:/x/../y:ro',
    '-v',
    'data:/d',
    '-v',
    '/anon',
    '--entrypoint',
    '',
    '--add-host',
    'db:10.1.2.3',
    '--add-host=host:host-gateway',
  ];
  const more = ['--network', 'none', '-h', 'box', '--name', 'c1', '--pull=never', 'app', 'ls', '-it', '--rm', '--help'];
  assert.equal(await runRequest([...argv, ...more], { terminal: true, env: { B: '2' } }), {
    image: 'app',
    command: ['ls', '-it', '--rm', '--help'],
    env: ['A=1', 'B=2', 'GONE'],
    volumes: [
      { target: '/y', readonly: true, source: '/client/x' },
      { target: '/d', readonly: false, source: 'data' },
      { target: '/anon', readonly: false },
    ],
    network: 'none',
    extraHosts: [
      { name: 'db', address: '10.1.2.3' },
      { name: 'host', address: 'host-gateway' },
    ],
    remove: true,
    interactive: true,
    tty: true,
    init: false,
    pull: 'never',
    entrypoint: '',
    workdir: '/w',
    user: '1000:1000',
    hostname: 'box',
    name: 'c1',
  });
});

test('asks for ports, and for the network of a container', async () => {
  const port = { protocol: 'tcp', hostAddress: '0.0.0.0', containerPort: 80, hostPort: 8080 };
  const published = await runRequest(['-p', '8080:80', '-P', 'app']);
  assert.equal([published.ports, published.publishAll, published.network], [[port], true, 'default']);
  assert.equal((await runRequest(['--network', 'container:x', 'app'])).network, { container: 'x' });
});

test('shows published ports', async () => {
  const [, ports] = CONTAINERS.map((container) => container.ports);
  const containerPorts: Engine['containerPorts'] = async () => ports ?? [];
  const of = (...argv: readonly string[]) => cli(['port', ...argv], { answers: { containerPorts } });
  assert.is((await of('new')).stdout, '80/tcp -> 0.0.0.0:8080\n');
  assert.is((await of('new', '80')).stdout, '0.0.0.0:8080\n');
  const missing = await of('new', '80/udp');
  assert.equal([missing.status, missing.stderr.includes('published port "80/udp"')], [1, true]);
});

test('puts files of variables before -e', async () => {
  await using dir = await tempDir();
  await writeFile(dir.join('env'), '\ufeff# comment\nA=1\r\n\n  B = "x"\n'.replace('B =', 'B='));
  await writeFile(dir.join('more'), 'HOST_ONLY\nUNSET\nC=#=x');
  const { env } = await runRequest(['-e', 'Z=9', '--env-file', 'env', '--env-file', 'more', 'app'], {
    cwd: dir.path,
    env: { HOST_ONLY: 'h' },
  });
  assert.equal(env, ['A=1', 'B= "x"', 'HOST_ONLY=h', 'C=#=x', 'Z=9']);
});

for (const [what, argv, message] of [
  ['a missing image', [], /"run" takes at least 1 argument, got 0/],
  ['a relative working directory', ['-w', 'x', 'app'], /want an absolute path/],
  ['a volume on the root', ['-v', '/x:/..', 'app'], /the target cannot be "\/"/],
  ['a relative target', ['-v', 'x:y', 'app'], /is not an absolute path/],
  ['an unknown option of a volume', ['-v', 'x1:/y:rx', 'app'], /unknown option "rx"/],
  ['an option that is missing', ['-v', 'x1:/y:Z', 'app'], /the option "Z" is not supported/],
  ['a network that is missing', ['--network', 'mine', 'app'], /want one of "default", "bridge", "none", "host"/],
  [
    'a name with the network of a container',
    ['--net', 'container:x', '-h', 'y', 'app'],
    /network of another container/,
  ],
  ['ports with the network of a container', ['--net', 'container:x', '-P', 'app'], /network of another container/],
  ['an address that is none', ['--add-host', 'a:1.2.3', 'app'], /"1\.2\.3" is no IP address/],
  ['a terminal that is none', ['-it', 'app'], /the input is not a terminal/],
  ['a flag that is missing', ['--gpus', 'all', 'app'], /Cannot use flag "--gpus" with "run"/],
  ['an unknown flag', ['--naem', 'x', 'app'], /did you mean "--name"/],
  ['a bad name', ['--name', '-', 'app'], /Cannot name the container/],
  ['a missing file of variables', ['--env-file', 'gone', 'app'], /Cannot read the environment file "gone"/],
] as const) {
  test(`run refuses ${what} with 125`, async () => {
    const run = await cli(['run', ...argv]);
    assert.is(run.status, 125);
    assert.match(run.stderr, message);
  });
}

for (const [code, status] of [
  ['command-not-executable', 126],
  ['command-not-found', 127],
  ['image-not-found', 125],
  ['registry-unreachable', 125],
  ['runtime-failed', 125],
] as const) {
  test(`run ends with ${status} for ${code}`, async () => {
    const run: Engine['run'] = async () => {
      throw new BuildError(code, 'it failed');
    };
    assert.is((await cli(['run', 'app'], { answers: { run } })).status, status);
  });
}

test("run ends with the container's exit code", async () => {
  const run: Engine['run'] = async () => ({ containerId: 'a'.repeat(64), exitCode: 42 });
  assert.is((await cli(['run', 'app'], { answers: { run } })).status, 42);
});

test.run();
