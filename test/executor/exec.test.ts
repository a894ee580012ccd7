import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDockerignore } from '../../src/context/dockerignore.ts';
import { LocalTree } from '../../src/context/local.ts';
import { RunFailedError } from '../../src/executor/run-failed.ts';
import type { ExecMount } from '../../src/solver/op.ts';
import { rejectsWith } from '../support/assert.ts';
import type { Made } from '../support/executor-rig.ts';
import { ExecutorRig, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';

const suiteOfRuns = suite('exec');
const test = privileged(suiteOfRuns);

const bind = (input: number, source: string, target: string, readonly = true): ExecMount => ({
  kind: 'bind',
  input,
  source,
  target,
  readonly,
});

const cache = (id: string, rest: Partial<ExecMount & { kind: 'cache' }> = {}): ExecMount => ({
  kind: 'cache',
  target: '/cache',
  id,
  sharing: 'shared',
  readonly: false,
  mode: 0o755,
  uid: 0,
  gid: 0,
  source: '/',
  ...rest,
});

const secret = (rest: Partial<ExecMount & { kind: 'secret' }>): ExecMount => ({
  kind: 'secret',
  id: 'token',
  required: false,
  mode: 0o400,
  uid: 0,
  gid: 0,
  ...rest,
});

function neverReached(): never {
  throw new Error('not a stack of stored layers');
}

/** What a step's layer holds. The runtime touches /etc for a moment, so that is always there; it counts only with something in it. */
async function added(rig: ExecutorRig, { result }: Made): Promise<string[]> {
  const id = result.kind === 'layers' ? result.layers.at(-1) : undefined;
  const { dir } = (id !== undefined && (await rig.snapshots.get(id))) || neverReached();
  const found = execFileSync('find', ['.', '-mindepth', '1'], { cwd: dir, encoding: 'utf8' });
  const paths = found.split('\n').filter(Boolean).sort();
  return paths.filter((path) => path !== './etc' || paths.some((other) => other.startsWith('./etc/')));
}

test('what a command writes is a new layer, and nothing else is', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const made = await rig.run(
    base,
    'cat /etc/hosts /etc/resolv.conf > /dev/null; mkdir /made; echo text > /made/file; rm /etc/group',
  );
  assert.equal(await added(rig, made), ['./etc', './etc/group', './made', './made/file']);
  assert.is(await rig.text(made, '/made/file'), 'text\n');
  assert.is((await rig.tree(made)).lstat('/etc/group'), undefined);
  const next = await rig.run(made, 'cat /made/file > /copy');
  assert.is(await rig.text(next, '/copy'), 'text\n');
});

test('a command that changes nothing makes an empty layer', async () => {
  await using rig = await ExecutorRig.open();
  const made = await rig.run(await rig.busybox(), 'true');
  assert.equal(await added(rig, made), []);
  assert.is(made.result.kind === 'layers' && made.result.layers.length, 2);
});

test('the command sees its environment, directory, user and names', async () => {
  await using rig = await ExecutorRig.open({
    session: {
      proxyEnv: ['http_proxy=outer', 'MINE=outer'],
      extraHosts: [
        { name: 'db', address: '10.0.0.1' },
        { name: 'unused', address: '10.0.0.2' },
      ],
    },
  });
  const made = await rig.run(
    await rig.busybox(),
    'echo $MINE $http_proxy $HOME > env; pwd > /tmp/pwd; id -u > id; cat /etc/hosts > hosts; hostname >> hosts',
    { env: ['PATH=/bin', 'MINE=1'], cwd: '/work/dir', user: 'app', hostname: 'builder', extraHosts: ['db'] },
  );
  const text = (path: string): Promise<string> => rig.text(made, path);
  assert.is(await text('/work/dir/env'), '1 outer /home/app\n');
  assert.is(await text('/tmp/pwd'), '/work/dir\n');
  assert.is(await text('/work/dir/id'), '1000\n');
  assert.is(
    await text('/work/dir/hosts'),
    '127.0.0.1\tlocalhost builder\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tdb\nbuilder\n',
  );
  assert.is((await rig.tree(made)).lstat('/work/dir')?.uid, 1000);
});

test('output is passed on as it comes', async () => {
  await using rig = await ExecutorRig.open();
  await rig.run(await rig.busybox(), 'echo out; echo err >&2');
  assert.equal(rig.log.join('').split('\n').sort(), ['', 'err', 'out']);
});

test('an exit code is an error in the words of Docker, with the end of the output', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const before = (await rig.snapshots.list()).length;
  const error = await rejectsWith(
    'run-failed',
    () => rig.run(base, 'seq 100; exit 3'),
    /^process "\/bin\/sh -c seq 100; exit 3" did not complete successfully: exit code: 3$/,
  );
  assert.instance(error, RunFailedError);
  assert.is((error as RunFailedError).exitCode, 3);
  assert.is((error as RunFailedError).output.at(-1), '100');
  const file = { name: 'Dockerfile', text: 'RUN x' };
  const range = { file, start: { line: 1, column: 1 }, end: { line: 1, column: 6 } };
  assert.is((error.at([range]) as RunFailedError).exitCode, 3, 'it stays what it is when it is located');
  assert.is((await rig.snapshots.list()).length, before);
  assert.equal(readdirSync(join(rig.root, 'snapshots/active')), []);
});

test('a command that does not exist is named', async () => {
  await using rig = await ExecutorRig.open();
  const op = { args: ['no-such-program', 'x'] };
  await rejectsWith('run-start-failed', () => rig.busybox().then((base) => rig.run(base, '', op)), /no-such-program/);
  await rejectsWith('run-start-failed', () => rig.scratch().then((base) => rig.run(base, 'true')), /\/bin\/sh/);
  await rejectsWith(
    'unknown-user',
    () => rig.busybox().then((base) => rig.run(base, '', { user: 'stranger' })),
    /stranger/,
  );
});

test('a cancelled command leaves nothing', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const controller = new AbortController();
  const log = rig.log;
  const running = rig.run(base, 'echo started; sleep 1000', { signal: controller.signal });
  const poll = setInterval(() => {
    if (log.length > 0) controller.abort();
  }, 5);
  await rejectsWith('cancelled', () => running);
  clearInterval(poll);
  assert.equal(readdirSync(join(rig.root, 'snapshots/active')), []);
});

test('an insecure command may do what others may not', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const mount = 'mkdir /m && mount -t tmpfs none /m 2>/dev/null; echo $? > /status; umount /m 2>/dev/null; rmdir /m';
  assert.is(await rig.text(await rig.run(base, mount, { security: 'insecure' }), '/status'), '0\n');
  assert.is.not(await rig.text(await rig.run(base, mount), '/status'), '0\n');
});

test('an SSH agent that is not there is no mount, or an error', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'agent');
  const server = createServer().listen(path);
  await once(server, 'listening');
  await using rig = await ExecutorRig.open({ session: { sshAgents: new Map([['own', { kind: 'socket', path }]]) } });
  const base = await rig.busybox();
  const ssh: ExecMount = { kind: 'ssh', id: 'other', target: '/s', required: false, mode: 0o600, uid: 3, gid: 4 };
  const state = "stat -c '%F %a %u %g' /s > /state 2>/dev/null; true";
  assert.is(await rig.text(await rig.run(base, state, { mounts: [ssh] }), '/state'), '');
  const withAgent = await rig.run(base, state, { mounts: [{ ...ssh, id: 'own' }] });
  assert.is(await rig.text(withAgent, '/state'), 'socket 600 3 4\n');
  assert.equal(await added(rig, withAgent), ['./state']);
  const required = { mounts: [{ ...ssh, required: true }] };
  await rejectsWith('source-not-found', () => rig.run(base, 'true', required), /agent "other", which is required/);
  server.close();
  const dead = { mounts: [{ ...ssh, id: 'own' }] };
  await rejectsWith('source-not-found', () => rig.run(base, 'true', dead), /nothing listens there/);
  assert.equal(readdirSync(join(rig.root, 'snapshots/active')), []);
});

test('no network is only the loopback', async () => {
  await using rig = await ExecutorRig.open();
  const made = await rig.run(await rig.busybox(), 'ls /sys/class/net > /interfaces', { network: 'none' });
  assert.is(await rig.text(made, '/interfaces'), 'lo\n');
});

test('limits and the size of /dev/shm are set', async () => {
  await using rig = await ExecutorRig.open();
  const made = await rig.run(
    await rig.busybox(),
    'ulimit -n > /n; df -k /dev/shm | tail -1 | awk "{print \\$2}" > /shm',
    {
      ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
      shmSizeBytes: 1 << 20,
    },
  );
  assert.is(await rig.text(made, '/n'), '100\n');
  assert.is(await rig.text(made, '/shm'), '1024\n');
});

test('a stage is mounted with its owners, read-only, and leaves no trace', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const stage = await rig.run(
    base,
    'mkdir -p /out/sub; echo built > /out/sub/file; chown 7:8 /out/sub/file; ln -s out /way',
  );
  const script =
    'stat -c "%u:%g" /mnt/sub/file > /owner; cat /etc/one > /one; touch /mnt/new 2>/dev/null || echo refused > /ro';
  const mounts = [bind(1, '/way', '/mnt'), bind(1, '/out/sub/file', '/etc/one')];
  const made = await rig.run(base, script, { mounts, inputs: [stage] });
  assert.is(await rig.text(made, '/owner'), '7:8\n');
  assert.is(await rig.text(made, '/one'), 'built\n');
  assert.is(await rig.text(made, '/ro'), 'refused\n');
  assert.equal(await added(rig, made), ['./one', './owner', './ro']);
});

test('what is written to a writable mount is thrown away', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const stage = await rig.layer((dir) => writeFileSync(join(dir, 'file'), 'old'));
  const script = 'echo new > /mnt/file; echo x > /mnt/more; cat /mnt/file > /seen';
  const made = await rig.run(base, script, { mounts: [bind(1, '/', '/mnt', false)], inputs: [stage] });
  assert.is(await rig.text(made, '/seen'), 'new\n');
  assert.equal(await added(rig, made), ['./seen']);
  assert.equal(listing(await rig.tree(stage)), ['file 644 0:0 /file']);
});

test('an empty stage mounts as an empty directory', async () => {
  await using rig = await ExecutorRig.open();
  const mounts = [bind(1, '/', '/ro'), bind(1, '/', '/rw', false)];
  const script = 'ls -A /ro /rw > /seen; touch /rw/x; touch /ro/x 2>/dev/null || echo refused >> /seen';
  const made = await rig.run(await rig.busybox(), script, { mounts, inputs: [await rig.scratch()] });
  assert.is(await rig.text(made, '/seen'), '/ro:\n\n/rw:\nrefused\n');
});

test('the context is mounted without ignored files and as belonging to root', async () => {
  await using temp = await tempDir();
  for (const path of ['dir/file', 'secret/key', 'other']) {
    mkdirSync(join(temp.path, path, '..'), { recursive: true });
    writeFileSync(join(temp.path, path), path);
  }
  execFileSync('chown', ['-R', '12:34', temp.path]);
  execFileSync('chmod', ['750', join(temp.path, 'dir')]);
  const tree = new LocalTree(temp.path, { ignore: parseDockerignore({ name: 'i', text: 'secret' }) });
  await using rig = await ExecutorRig.open({ locals: new Map([['context', tree]]) });
  const inputs = [await rig.local('context')];
  const base = await rig.busybox();
  const script =
    'ls /ctx > /seen; stat -c "%u:%g %a" /ctx/dir /one >> /seen; cat /one >> /seen; touch /ctx/x 2>/dev/null || echo ro >> /seen';
  const made = await rig.run(base, script, { mounts: [bind(1, '/', '/ctx'), bind(1, '/dir/file', '/one')], inputs });
  assert.is(await rig.text(made, '/seen'), 'dir\nother\n0:0 750\n0:0 644\ndir/filero\n');
  const rw = { mounts: [bind(1, '/dir', '/ctx', false)], inputs };
  const written = await rig.run(base, 'echo x > /ctx/new; ls /ctx > /seen', rw);
  assert.is(await rig.text(written, '/seen'), 'file\nnew\n');
  assert.equal(readdirSync(join(temp.path, 'dir')), ['file']);
  const missing = { mounts: [bind(1, '/absent', '/x')], inputs };
  await rejectsWith(
    'source-not-found',
    () => rig.run(base, 'true', missing),
    /"\/absent": not found in the build context/,
  );
});

test('mounts lie inside each other, and a tmpfs has its size', async () => {
  await using rig = await ExecutorRig.open();
  const stage = await rig.layer((dir) => writeFileSync(join(dir, 'file'), 'x'));
  const mounts: ExecMount[] = [
    bind(1, '/', '/ctx', false),
    { kind: 'tmpfs', target: '/ctx/nested', sizeBytes: 1 << 20 },
  ];
  const script = `ls /ctx > /seen; touch /ctx/nested/x; ls /ctx/nested >> /seen
    head -c 3000000 /dev/zero > /ctx/nested/big 2>/dev/null && echo fits >> /seen || echo full >> /seen`;
  const made = await rig.run(await rig.busybox(), script, { mounts: mounts.toReversed(), inputs: [stage] });
  assert.is(await rig.text(made, '/seen'), 'file\nnested\nx\nfull\n');
});

test('a cache lives across steps and not in the image', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const first = await rig.run(base, 'echo kept > /cache/file', { mounts: [cache('id')] });
  assert.equal(await added(rig, first), []);
  const mounts = [cache('id', { target: '/other', readonly: true }), cache('new', { mode: 0o711, uid: 1000, gid: 50 })];
  const script =
    'cat /other/file > /seen; stat -c "%a %u %g" /cache >> /seen; touch /other/x 2>/dev/null || echo ro >> /seen';
  assert.is(await rig.text(await rig.run(base, script, { mounts }), '/seen'), 'kept\n711 1000 50\nro\n');
});

test('a new cache starts with what it is given', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const mounts = [cache('seeded', { input: 1, source: '/etc' })];
  const made = await rig.run(base, 'ls /cache > /seen; rm /cache/*', { mounts, inputs: [base] });
  assert.is(await rig.text(made, '/seen'), 'group\npasswd\n');
  const again = await rig.run(base, 'ls /cache > /seen', { mounts, inputs: [base] });
  assert.is(await rig.text(again, '/seen'), '', 'only once');
});

test('a locked cache has one user at a time, private ones one directory each', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.busybox();
  const script = 'mkdir /cache/busy || exit 9; sleep 0.2; rmdir /cache/busy; echo x >> /cache/users';
  const use = (sharing: 'locked' | 'private') => rig.run(base, script, { mounts: [cache(sharing, { sharing })] });
  await Promise.all([use('locked'), use('locked'), use('locked')]);
  const count = await rig.run(base, 'wc -l < /cache/users > /count', {
    mounts: [cache('locked', { sharing: 'locked' })],
  });
  assert.is(await rig.text(count, '/count'), '3\n');
  await Promise.all([use('private'), use('private')]);
  const counts = readdirSync(join(rig.root, 'cache-mounts')).map(
    (name) => readdirSync(join(rig.root, 'cache-mounts', name)).length,
  );
  assert.equal(new Set(counts), new Set([1, 2]), 'directories and no locks');
});

test('secrets are files in memory or variables, and leave nothing', async () => {
  const value = Buffer.from('hush hush');
  const secrets = new Map([['token', { kind: 'value' as const, value }]]);
  const base = { made: '' };
  {
    await using rig = await ExecutorRig.open({ session: { secrets } });
    const mounts = [
      secret({ target: '/run/secrets/token' }),
      secret({ target: '/etc/token', mode: 0o440, uid: 1000, gid: 50 }),
      secret({ env: 'TOKEN' }),
      secret({ id: 'absent', target: '/run/secrets/absent' }),
      secret({ id: 'absent', env: 'ABSENT' }),
    ];
    const script = `stat -c '%a %u %g %s' /run/secrets/token /etc/token > /seen; ls /run/secrets >> /seen; echo \${#TOKEN} >> /seen
      echo "\${ABSENT-unset}" >> /seen
      mount | grep -c ' /etc/token type tmpfs' >> /seen`;
    const made = await rig.run(await rig.busybox(), script, { mounts });
    base.made = await rig.text(made, '/seen');
    assert.equal(await added(rig, made), ['./seen']);
    assert.is(spawnSync('grep', ['-rl', 'hush hush', rig.root], { encoding: 'utf8' }).stdout, '');
  }
  assert.is(base.made, '400 0 0 9\n440 1000 50 9\ntoken\n9\n\n1\n');
  assert.equal(
    readdirSync('/dev/shm').filter((name) => name.startsWith('tsbuild-secrets-') && name.includes(`.${process.pid}.`)),
    [],
  );
});

test('a required secret must be there', async () => {
  await using rig = await ExecutorRig.open();
  const mounts = [secret({ id: 'absent', target: '/x', required: true })];
  await rejectsWith(
    'source-not-found',
    () => rig.busybox().then((base) => rig.run(base, 'true', { mounts })),
    /"absent"/,
  );
});

suiteOfRuns.run();
