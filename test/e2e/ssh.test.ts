import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, wasCached } from '../support/e2e.ts';
import { TestRepository } from '../support/git-server.ts';
import { privileged } from '../support/privileged.ts';
import { makeKey, publicKey, SshServer, TestAgent } from '../support/ssh.ts';

const test = privileged(suite('SSH, end to end'));

/** No agent of whoever runs the tests. */
const NO_AGENT = { SSH_AUTH_SOCK: '' };

interface Rig extends AsyncDisposable {
  readonly lab: Lab;
  /** Private key files: one that the server takes, and one that it doesn't. */
  readonly key: string;
  readonly stranger: string;
  readonly server: SshServer;
  readonly repository: TestRepository;
  /** Of the repository, for ADD and as a context. */
  readonly url: string;
}

async function rig(): Promise<Rig> {
  const lab = await Lab.open({ empty: true });
  const key = makeKey(join(lab.dir, 'key'), ['-t', 'rsa', '-b', '2048']);
  const stranger = makeKey(join(lab.dir, 'stranger'));
  const server = await SshServer.start(join(lab.dir, 'sshd'), publicKey(key));
  const repository = new TestRepository(join(lab.dir, 'origin.git'));
  repository.commit({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: '1' });
  return {
    lab,
    key,
    stranger,
    server,
    repository,
    url: `${server.url}${repository.dir}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

/** The lines of a private key that nobody else may have. */
function bodyOf(key: string): string[] {
  const lines = readFileSync(key, 'latin1').trim().split('\n').slice(1, -1);
  // The first ones are also in the public key.
  return lines.slice(lines.length / 2);
}

test('a repository is added by SSH with a key file, and with an agent', async () => {
  await using one = await rig();
  const { lab, key, repository, url } = one;
  const context = await lab.context('c', { Dockerfile: `FROM scratch\nADD ${url} /d/\n` });
  const first = await lab.ok(['build', '--progress', 'plain', '--ssh', `default=${key}`, context], { env: NO_AGENT });
  repository.commit({ f: '2' });
  await using agent = await TestAgent.start(lab.dir, [key]);
  const env = { SSH_AUTH_SOCK: agent.socket };
  const second = await lab.ok(['build', '--progress', 'plain', '--ssh', 'default', context], { env });
  assert.not.ok(wasCached(second, 'ADD'));
  for (const line of bodyOf(key)) {
    assert.not.match(first.stderr + second.stderr, line);
    const grep = ['-rlF', '--', line, lab.store];
    assert.throws(
      () => execFileSync('grep', grep, { stdio: 'ignore' }),
      (error: { status?: number }) => error.status === 1,
    );
  }
});

test('a repository by SSH needs an agent that was passed', async () => {
  await using one = await rig();
  const { lab, key, url, stranger } = one;
  const context = await lab.context('c', { Dockerfile: `FROM scratch\nADD ${url} /d/\n` });
  await using agent = await TestAgent.start(lab.dir, [key]);
  const env = { SSH_AUTH_SOCK: agent.socket };
  for (const args of [[], ['--ssh', `other=${key}`]]) {
    const { code, stderr } = await lab.run(['build', ...args, context], { env });
    assert.is(code, 1);
    assert.match(stderr, /Dockerfile:2: Cannot fetch "ssh:\/\/.*": no SSH agent was passed to the build/);
    assert.match(stderr, /--ssh default/);
  }
  const refused = await lab.run(['build', '--ssh', `default=${stranger}`, context], { env });
  assert.is(refused.code, 4);
  assert.match(refused.stderr, /Cannot fetch "ssh:.*": .*Permission denied \(publickey\)/);
  assert.match(refused.stderr, /the SSH agent has no key that the host takes/);
});

test('a context by SSH takes the agent of the environment by itself', async () => {
  await using one = await rig();
  const { lab, key, url } = one;
  const unset = await lab.run(['build', url], { env: NO_AGENT });
  assert.is(unset.code, 2);
  assert.match(unset.stderr, /SSH_AUTH_SOCK is not set[^]*--ssh default=FILE/);
  await using agent = await TestAgent.start(lab.dir, [key]);
  await lab.ok(['build', url], { env: { SSH_AUTH_SOCK: agent.socket } });
  await lab.ok(['build', '--check', '--ssh', `default=${key}`, url], { env: NO_AGENT });
  const named = await lab.context('c', { Dockerfile: 'FROM scratch\nCOPY --from=other f /f\n' });
  const args = ['--build-context', `other=${url}`, named];
  await lab.ok(['build', '--ssh', `default=${key}`, ...args], { env: NO_AGENT });
  assert.match((await lab.run(['build', ...args], { env: NO_AGENT })).stderr, /no SSH agent was passed/);
});

test('the host that was seen first is remembered, and another in its place is refused', async () => {
  await using one = await rig();
  const { lab, key, server, url } = one;
  const context = await lab.context('c', { Dockerfile: `FROM scratch\nADD ${url} /d/\n` });
  const args = ['build', '--no-cache', '--ssh', `default=${key}`, context];
  await lab.ok(args, { env: NO_AGENT });
  const known = join(lab.store, 'git/known_hosts');
  assert.match(readFileSync(known, 'utf8'), /ssh-ed25519/);
  await server.restart('other-host-key');
  const refused = await lab.run(args, { env: NO_AGENT });
  assert.is(refused.code, 4);
  assert.match(refused.stderr, 'Host key verification failed');
  assert.match(refused.stderr, known);
  await server.restart('host-key');
  await lab.ok(args, { env: NO_AGENT });
});

test('steps list and use keys of files, by id, and change nothing', async () => {
  await using lab = await Lab.open();
  const [one, two, three] = ['one', 'two', 'three'].map((name) => makeKey(join(lab.dir, name))) as [
    string,
    string,
    string,
  ];
  const dockerfile = `FROM busybox
COPY ssh /
RUN --mount=type=ssh,required ssh-add -L > /default
RUN --mount=type=ssh,id=two --mount=type=ssh,id=pair,target=/pair ssh-add -L > /two && SSH_AUTH_SOCK=/pair ssh-add -L > /pair-keys
RUN --mount=type=ssh ! ssh-add -D 2>/dev/null && ! ssh-add -d /key.pub 2>/dev/null && ! ssh-add -x </dev/null 2>/dev/null && ssh-add -L | wc -l > /left
RUN --mount=type=ssh cd /tmp && echo text > t && ssh-keygen -q -Y sign -f /key.pub -n test t && ssh-keygen -Y check-novalidate -n test -s t.sig < t > /signed
USER 1000
RUN --mount=type=ssh,uid=1000 ssh-add -l > /tmp/user
RUN --mount=type=ssh ! ssh-add -l 2>/dev/null
`;
  const files = {
    Dockerfile: dockerfile,
    'ssh/key.pub': readFileSync(`${one}.pub`),
    ...withLibraries('ssh', ['ssh-add', 'ssh-keygen']),
  };
  const context = await lab.context('c', files);
  const ids = [`default=${one}`, `two=${two}`, `pair=${two},${three}`].flatMap((value) => ['--ssh', value]);
  await lab.ok(['build', '-t', 'ssh', ...ids, context], { env: NO_AGENT });
  const keys = (await lab.sh('ssh', 'cat /default; echo; cat /two; echo; cat /pair-keys')).split('\n');
  assert.equal(
    keys.map((line) => line.trim()),
    [publicKey(one), '', publicKey(two), '', publicKey(two), publicKey(three), ''],
  );
  assert.is(
    await lab.sh('ssh', 'cat /left; wc -l < /tmp/user; ls -A /run/buildkit /pair 2>/dev/null | wc -l'),
    '1\n1\n0\n',
  );
  assert.match(await lab.sh('ssh', 'cat /signed'), /^Good "test" signature with ED25519/);
  const missing = await lab.run(['build', '--no-cache', '--ssh', `two=${two}`, context], { env: NO_AGENT });
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /Cannot find the SSH agent "default", which is required/);
});

test('keys that cannot be used fail before anything is built', async () => {
  await using lab = await Lab.open({ empty: true });
  const context = await lab.context('c', { Dockerfile: 'FROM scratch\nENV A=1\n', text: 'no key' });
  const locked = makeKey(join(lab.dir, 'locked'), ['-t', 'ed25519'], 'a passphrase');
  await using agent = await TestAgent.start(lab.dir, []);
  const cases: readonly (readonly [value: string, code: number, message: RegExp])[] = [
    [`default=${locked}`, 2, /protected by a passphrase[^]*ssh-add[^]*SSH_AUTH_SOCK/],
    [`default=${locked}.pub`, 2, /there is no private key in it/],
    [`default=${join(context, 'text')}`, 2, /there is no private key in it/],
    [`default=${locked},${agent.socket}`, 2, /a socket and keys/],
    [`default=${agent.socket},${agent.socket}`, 2, /more than one socket/],
  ];
  for (const [value, code, message] of cases) {
    const outcome = await lab.run(['build', '--ssh', value, context], { env: NO_AGENT });
    assert.is(outcome.code, code, value);
    assert.match(outcome.stderr, message);
  }
});

/** Programs of this machine with the libraries that they load, as files below `dir`. */
function withLibraries(dir: string, names: readonly string[]): Record<string, { text: Buffer; mode: number }> {
  const files: Record<string, { text: Buffer; mode: number }> = {};
  for (const name of names) {
    const path = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    files[join(dir, 'bin', basename(path))] = { text: readFileSync(path), mode: 0o755 };
    for (const [, library] of execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)) {
      files[join(dir, library!)] = { text: readFileSync(library!), mode: 0o755 };
    }
  }
  return files;
}

test.run();
