import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { csvFields } from '../../src/cli/csv.ts';
import { formatPlatform, hostPlatform } from '../../src/core/platform.ts';
import type { BuildRequest } from '../../src/engine/types.ts';
import { tempDir } from '../support/temp.ts';
import type { CliOptions } from './harness.ts';
import { cli } from './harness.ts';

const test = suite('inputs of the build command');

async function requested(
  argv: readonly string[],
  { context = '.', ...options }: CliOptions & { readonly context?: string } = {},
): Promise<BuildRequest> {
  let request: BuildRequest | undefined;
  const run = await cli(['build', ...argv, context], {
    ...options,
    answers: {
      build: async (asked) => {
        request = asked;
        throw new Error('enough');
      },
    },
  });
  if (request === undefined) throw new Error(`the engine was not asked: ${run.stderr}`);
  return request;
}

/** Secrets as text, so that a difference is readable. */
async function secrets(argv: readonly string[], options: CliOptions = {}): Promise<Record<string, string>> {
  const { secrets: given } = await requested(argv, options);
  return Object.fromEntries(
    [...(given ?? [])].map(([id, input]) => [
      id,
      input.kind === 'file' ? `file ${input.path}` : `value ${Buffer.from(input.value).toString()}`,
    ]),
  );
}

test('--secret takes files and variables in the forms of Docker', async () => {
  const env = { TOKEN: 'from env', NAMED: 'by id' };
  const forms: readonly [string, Record<string, string>][] = [
    ['id=a,src=x/y', { a: 'file /client/x/y' }],
    ['ID=a,source=/abs', { a: 'file /abs' }],
    ['type=file,id=a,src=f', { a: 'file /client/f' }],
    ['"id=a","src=with,comma"', { a: 'file /client/with,comma' }],
    ['id=a', { a: 'file /client/a' }],
    ['id=NAMED', { NAMED: 'value by id' }],
    ['id=a,env=TOKEN', { a: 'value from env' }],
    ['id=a,type=env,src=TOKEN', { a: 'value from env' }],
    ['id=a,type=env,env=TOKEN', { a: 'value from env' }],
    ['id=a,env=MISSING', { a: 'value ' }],
    ['id=a,src=b,env=TOKEN', { a: 'value from env' }],
    ['id=a,type=file,env=TOKEN', { a: 'value from env' }],
    ['id=a,type=env,src=', { a: 'file /client/a' }],
  ];
  for (const [form, expected] of forms) assert.equal(await secrets(['--secret', form], { env }), expected, form);
  assert.equal(await secrets(['--secret', 'id=a,src=1', '--secret=id=b,src=2', '--secret', 'id=a,src=3']), {
    a: 'file /client/3',
    b: 'file /client/2',
  });
});

test('--build-context takes directories, images and layouts', async () => {
  const sources = ['a=x', 'b=docker-image://alpine:3', 'c=oci-layout://l:1.2', 'd=oci-layout:///l', 'a=/y', 'f=p=q'];
  const all = [...sources, `e=oci-layout://l@sha256:${'0'.repeat(64)}`];
  const { namedContexts } = await requested(all.flatMap((source) => ['--build-context', source]));
  assert.equal(Object.fromEntries(namedContexts ?? []), {
    a: { kind: 'directory', path: '/y' },
    b: { kind: 'image', reference: 'alpine:3' },
    c: { kind: 'oci-layout', path: '/client/l', tag: '1.2' },
    d: { kind: 'oci-layout', path: '/l' },
    f: { kind: 'directory', path: '/client/p=q' },
    e: { kind: 'oci-layout', path: '/client/l', digest: `sha256:${'0'.repeat(64)}` },
  });
});

test('--build-context takes stages, and names for one platform', async () => {
  const sources = ['a=target:Stage', 'a::linux/arm64=x'];
  const { namedContexts } = await requested(sources.flatMap((source) => ['--build-context', source]));
  assert.equal(Object.fromEntries(namedContexts ?? []), {
    a: { kind: 'target', stage: 'Stage' },
    'a::linux/arm64': { kind: 'directory', path: '/client/x' },
  });
});

test('reads hosts, sizes, limits, entitlements, stages and annotations', async () => {
  const platform = formatPlatform(hostPlatform());
  const argv = [
    [
      '--add-host',
      'a:1.2.3.4',
      '--add-host',
      'b=::1',
      '--add-host=c:[fe80::1]',
      '--add-host=d:fe80::2',
      '--add-host=e:host-gateway',
    ],
    ['--shm-size', '1.5g', '--ulimit', 'nofile=10:20', '--ulimit', 'core=-1', '--ulimit', 'nofile=7'],
    [
      '--allow',
      'network.host',
      '--allow=',
      '--allow=security.insecure',
      '--no-cache-filter',
      'one,two',
      '--no-cache-filter=three',
    ],
    ['--annotation', 'a=b=c:d', '--annotation', `manifest[${platform}]:x.y/z=1`, '--annotation', 'a=2'],
  ];
  const request = await requested(argv.flat());
  assert.equal(request.extraHosts, [
    { name: 'a', address: '1.2.3.4' },
    { name: 'b', address: '::1' },
    { name: 'c', address: 'fe80::1' },
    { name: 'd', address: 'fe80::2' },
    { name: 'e', address: 'host-gateway' },
  ]);
  assert.is(request.shmSizeBytes, 1.5 * 1024 ** 3);
  assert.equal(request.ulimits, [
    { name: 'core', soft: -1, hard: -1 },
    { name: 'nofile', soft: 7, hard: 7 },
  ]);
  assert.equal([...(request.entitlements ?? [])], ['network.host', 'security.insecure']);
  assert.equal(request.noCacheStages, ['one', 'two', 'three']);
  assert.equal(Object.fromEntries(request.annotations ?? []), { a: '2', 'x.y/z': '1' });
});

test('--ssh takes the agent of the environment or a socket', async () => {
  await using dir = await tempDir();
  const socket = join(dir.path, 'agent');
  const server = createServer().listen(socket);
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const env = { SSH_AUTH_SOCK: socket };
    const { sshAgents } = await requested(['--ssh', 'default', '--ssh', 'git=agent'], { env, cwd: dir.path });
    const own = { kind: 'socket', path: socket };
    assert.equal(Object.fromEntries(sshAgents ?? []), { default: own, git: own });
    const remote = await requested([], { env, cwd: dir.path, context: 'ssh://git@host/x.git' });
    assert.equal(Object.fromEntries(remote.sshAgents ?? []), { default: own });
    const other = await requested(['--ssh', 'a=agent'], { env, cwd: dir.path, context: 'git@host:x.git' });
    assert.equal(Object.fromEntries(other.sshAgents ?? []), { a: own });
    assert.is((await requested([], { env, cwd: dir.path, context: 'https://host/x.git' })).sshAgents, undefined);
    writeFileSync(join(dir.path, 'key'), 'x');
    const keyed = await requested(['--ssh', '=key', '--ssh', 'two=key,key'], { env, cwd: dir.path });
    const key = join(dir.path, 'key');
    assert.equal(Object.fromEntries(keyed.sshAgents ?? []), {
      default: { kind: 'keys', paths: [key] },
      two: { kind: 'keys', paths: [key, key] },
    });
    const refused: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
      [['--ssh', 'a=agent', '--ssh', 'a=agent'], /"a" is given twice/],
      [['--ssh', '=agent', '--ssh', 'default=agent'], /"default" is given twice/],
      [['--ssh', 'a=.'], /"\." is a directory/],
      [['--ssh', 'a=agent,agent'], /more than one socket/],
      [['--ssh', 'a=agent,key'], /a socket and keys/],
      [['--ssh', 'a=key,agent'], /a socket and keys/],
      [['--ssh', 'a=key,'], /one of its paths is empty/],
    ];
    for (const [argv, message] of refused) {
      const { status, stderr } = await cli(['build', ...argv, '.'], { cwd: dir.path, env });
      assert.is(status, 2);
      assert.match(stderr, message);
    }
  } finally {
    server.close();
  }
});

const REFUSED: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
  [['--secret', 'src=x'], /it has no "id"/],
  [['--secret', 'id='], /it has no "id"/],
  [['--secret', 'id=a,scr=x'], /unknown key "scr"[^]*did you mean "src"/],
  [['--secret', 'id=a,src'], /"src" needs a value/],
  [['--secret', 'id=a,type=vault'], /"vault" is no type of secret/],
  [['--secret', 'id=a,"src=b'], /a quote is where none can be/],
  [['--secret', 'id=a,src="b"'], /a quote is where none can be/],
  [['--ssh', 'default'], /SSH_AUTH_SOCK is not set[^]*--ssh default=FILE/],
  [['--ssh', 'git='], /SSH_AUTH_SOCK is not set[^]*--ssh git=FILE/],
  [['--ssh', 'a=/no/such/socket'], /neither a socket nor a key at "\/no\/such\/socket"/],
  [['--build-context', 'x'], /want NAME=PATH/],
  [['--build-context', '=x'], /want NAME=PATH/],
  [['--build-context', 'a='], /want NAME=PATH/],
  [['--build-context', 'Context=x'], /a meaning of its own/],
  [['--build-context', '::linux/arm64=x'], /the name is empty/],
  [['--build-context', 'a=target:'], /want target:STAGE/],
  [['--build-context', 'a=docker-image://B@d'], /Cannot parse image name "B@d"/],
  [['--build-context', 'a=oci-layout://x@sha256:1'], /"sha256:1" is no digest/],
  [['--build-context', 'a=s3://x'], /"s3:\/\/" is unknown/],
  [['--add-host', 'x'], /want NAME:ADDRESS/],
  [['--add-host', ':1.2.3.4'], /want NAME:ADDRESS/],
  [['--add-host', 'a b:1.2.3.4'], /want NAME:ADDRESS/],
  [['--add-host', 'a:1.2.3'], /"1\.2\.3" is no IP address/],
  [['--add-host', 'a:1.2.3.4\n6.6.6.6 evil'], /is no IP address/],
  [['--shm-size', 'big'], /want a size such as "64m"/],
  [['--shm-size', '-1'], /want a size such as "64m"/],
  [['--ulimit', 'nofile'], /want NAME=SOFT/],
  [['--ulimit', 'nofiles=1'], /"nofiles" is no limit[^]*did you mean "nofile"/],
  [['--ulimit', 'nofile=1.5'], /"1\.5" is no number/],
  [['--ulimit', 'nofile=1:'], /"" is no number/],
  [['--ulimit', 'nofile=2:1'], /the soft limit 2 is above the hard limit 1/],
  [['--ulimit', 'nofile=-1:1'], /the soft limit -1 is above the hard limit 1/],
  [['--allow', 'network.hots'], /did you mean "network\.host"/],
  [['--allow', 'network.host,security.insecure'], /want one of "network.host", "security.insecure"/],
  [['--allow', 'ssh'], /it is for bake files only/],
  [['--allow', 'fs.read=/'], /it is for bake files only/],
  [['--allow', 'device=x'], /devices are not supported/],
  [['--no-cache', '--no-cache-filter', 'a'], /Cannot use both "--no-cache" and "--no-cache-filter"/],
  [['--annotation', 'a'], /want KEY=VALUE/],
  [['--annotation', '=a'], /the key is empty/],
  [['--annotation', 'manifests:a=b'], /"manifests" is no place/],
  [['--annotation', 'index,manifest:a=b'], /the image has no index/],
  [['--annotation', 'manifest[linux/s390x]:a=b'], /the image is for /],
];
for (const [argv, message] of REFUSED) {
  test(`refuses ${JSON.stringify(argv.join(' '))}`, async () => {
    const run = await cli(['build', ...argv, '.']);
    assert.is(run.status, 2);
    assert.match(run.stderr, message);
    assert.equal(run.engines, []);
  });
}

test("proxies of Docker's configuration are build arguments that others win over", async () => {
  await using dir = await tempDir();
  const config = { proxies: { default: { httpProxy: 'http://p:1', noProxy: 'a,b', ftpProxy: '' }, 'tcp://x': {} } };
  writeFileSync(join(dir.path, 'config.json'), JSON.stringify({ auths: {}, ...config }));
  const env = { DOCKER_CONFIG: dir.path, HOME: '/nowhere' };
  const { buildArgs } = await requested(['--build-arg', 'http_proxy=mine', '--build-arg', 'A=1'], { env });
  assert.equal(Object.fromEntries(buildArgs), {
    HTTP_PROXY: 'http://p:1',
    http_proxy: 'mine',
    NO_PROXY: 'a,b',
    no_proxy: 'a,b',
    A: '1',
  });
  assert.is((await requested([], { env: { HOME: dir.path } })).buildArgs.size, 0);
  for (const [text, why] of [
    ['{', 'JSON'],
    ['[]', 'it is not a JSON object'],
    ['{"proxies":1}', '"proxies" is not an object'],
    ['{"proxies":{"default":{"httpProxy":1}}}', '"httpProxy" is not a string'],
  ] as const) {
    writeFileSync(join(dir.path, 'config.json'), text);
    const run = await cli(['build', '.'], { env });
    assert.is(run.status, 2);
    assert.match(run.stderr, why);
  }
});

test('SOURCE_DATE_EPOCH of the client is a build argument unless one is given', async () => {
  const env = { SOURCE_DATE_EPOCH: '1' };
  assert.equal(Object.fromEntries((await requested([], { env })).buildArgs), { SOURCE_DATE_EPOCH: '1' });
  const given = await requested(['--build-arg', 'SOURCE_DATE_EPOCH=2'], { env });
  assert.is(given.buildArgs.get('SOURCE_DATE_EPOCH'), '2');
});

test('csvFields() reads what a writer of CSV writes', () => {
  const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
  const field = fc.string({ unit: fc.constantFrom('a', '=', ',', '"', ' ') });
  fc.assert(
    fc.property(fc.array(fc.tuple(field, fc.boolean()), { minLength: 1 }), (fields) => {
      const line = fields.map(([text, quote]) => (quote || /[",]/.test(text) ? quoted(text) : text)).join(',');
      assert.equal(
        csvFields('--x', line),
        fields.map(([text]) => text),
      );
    }),
    { numRuns: 100 },
  );
});

test.run();
