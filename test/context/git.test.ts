import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { takeTurn } from '../../src/cache/turn.ts';
import type { Checkout, CheckoutOptions } from '../../src/context/git.ts';
import { GitSource } from '../../src/context/git.ts';
import { pickRef } from '../../src/context/git-refs.ts';
import { BuildError } from '../../src/core/errors.ts';
import { dumbGit, smartGit, TestRepository } from '../support/git-server.ts';
import type { TestServer } from '../support/http-server.ts';
import { serve } from '../support/http-server.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('repositories by git');

interface Rig extends AsyncDisposable {
  readonly dir: string;
  readonly repository: TestRepository;
  readonly server: TestServer;
  readonly remote: string;
  readonly source: GitSource;
  commit(ref?: string, checksum?: string): Promise<string>;
  checkout(options: Partial<CheckoutOptions> & { readonly commit: string }): Promise<Checkout>;
}

function noAgent(remote: string): Promise<string> {
  throw new Error(`an agent for ${remote}`);
}

async function rig(env: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const temp = await tempDir();
  const repository = new TestRepository(temp.join('origin'));
  const server = await serve({ '/repo.git/*': smartGit(repository.dir) });
  const remote = `${server.url}/repo.git`;
  const signal = new AbortController().signal;
  let ids = 0;
  const source = new GitSource({
    dir: temp.join('git'),
    env: { PATH: process.env['PATH'] ?? '', HOME: temp.join('home'), ...env },
    sshAgent: noAgent,
    newId: () => `n${++ids}`,
    takeTurn: (dir) => takeTurn(dir, { signal, purpose: 'test' }),
  });
  return {
    dir: temp.join('git'),
    repository,
    server,
    remote,
    source,
    commit: (ref, checksum) => source.resolve({ remote, ref, checksum, signal }),
    checkout: (options) =>
      source.checkout({
        remote,
        ref: undefined,
        subdir: undefined,
        keepGitDir: false,
        submodules: true,
        signal,
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

async function failure(promise: Promise<unknown>): Promise<BuildError> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, BuildError, String(error));
    return error as BuildError;
  }
  throw new Error('nothing was thrown');
}

test('finds HEAD, branches, tags, full names and commits', async () => {
  await using one = await rig();
  const first = one.repository.commit({ a: '1' });
  one.repository.git('tag', 'light');
  one.repository.git('tag', '-a', '-m', 'x', 'annotated');
  one.repository.git('branch', 'feature/x');
  const second = one.repository.commit({ a: '2' });
  assert.is(await one.commit(), second);
  assert.is(await one.commit('main'), second);
  assert.is(await one.commit('feature/x'), first);
  assert.is(await one.commit('light'), first);
  assert.is(await one.commit('annotated'), first);
  assert.is(await one.commit('refs/tags/annotated'), first);
  assert.is(await one.commit('heads/main'), second);
  const asked = one.server.requests.length;
  assert.is(await one.commit(first), first);
  assert.is(one.server.requests.length, asked);
});

test('prefers a branch to a tag of its name, and never takes a part of a name', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(40));
  const listed = `${a}\trefs/tags/x\n${b}\trefs/heads/x\n${c}\trefs/heads/y/x\nwarning: x\n`;
  assert.equal(pickRef(listed, 'x'), [b]);
  assert.equal(pickRef(listed, 'refs/tags/x'), [a]);
  assert.is(pickRef(listed, 'y'), undefined);
  assert.is(pickRef(listed, undefined), undefined);
  assert.is(pickRef('', 'x'), undefined);
});

test('checks a commit against what it must be', async () => {
  await using one = await rig();
  const commit = one.repository.commit({ a: '1' });
  one.repository.git('tag', '-a', '-m', 'x', 'v1');
  const tag = one.repository.git('rev-parse', 'v1');
  assert.is(await one.commit('v1', commit.slice(0, 8)), commit);
  assert.is(await one.commit('v1', tag), commit);
  const error = await failure(one.commit('main', '0'.repeat(40)));
  assert.is(error.code, 'checksum-mismatch');
  assert.match(error.message, commit);
  assert.is((await failure(one.commit(commit, 'fffffff'))).code, 'checksum-mismatch');
});

test('says what is not there', async () => {
  await using one = await rig();
  one.repository.commit({ 'a/f': '1' });
  const unknown = await failure(one.commit('nope'));
  assert.is(unknown.code, 'download-failed');
  assert.match(unknown.message, 'no branch, tag or commit "nope"');
  const short = await failure(one.commit('0123456'));
  assert.is(short.hint, 'write the commit in full');
  const gone = await failure(one.checkout({ commit: '1'.repeat(40) }));
  assert.is(gone.code, 'download-failed');
  const commit = await one.commit();
  for (const subdir of ['b', 'a/f', 'a/f/g']) {
    assert.is((await failure(one.checkout({ commit, subdir }))).code, 'source-not-found', subdir);
  }
  assert.equal(readdirSync(join(one.dir, 'checkouts')), []);
});

test('makes the same files for everybody', async () => {
  await using one = await rig();
  writeFileSync(join(one.repository.dir, 'run'), 'x');
  chmodSync(join(one.repository.dir, 'run'), 0o775);
  symlinkSync('run', join(one.repository.dir, 'link'));
  const commit = one.repository.commit({ 'sub/f': '1' });
  await using files = await one.checkout({ commit });
  const entry = (path: string): unknown => {
    const { type, mode, uid, gid, mtimeNs } = files.tree.lstat(path)!;
    return [type, type === 'symlink' ? 0o777 : mode, uid, gid, mtimeNs];
  };
  const time = 1_000_000_000n * 1_000_000_000n;
  assert.equal(files.tree.readdir('/'), ['link', 'run', 'sub']);
  assert.equal(entry('/run'), ['file', 0o755, 0, 0, time]);
  assert.equal(entry('/sub/f'), ['file', 0o644, 0, 0, time]);
  assert.equal(entry('/sub'), ['directory', 0o755, 0, 0, time]);
  assert.equal(entry('/link'), ['symlink', 0o777, 0, 0, time]);
  await using part = await one.checkout({ commit, subdir: 'sub' });
  assert.equal(part.tree.readdir('/'), ['f']);
});

test('fetches a commit once, alone, and removes what it checked out', async () => {
  await using one = await rig();
  const old = one.repository.commit({ a: '1' });
  const commit = one.repository.commit({ a: '2' });
  const first = await one.checkout({ commit });
  const asked = one.server.requests.length;
  const second = await one.checkout({ commit });
  assert.is(one.server.requests.length, asked);
  assert.is.not(first.path, second.path);
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  assert.not.ok(existsSync(first.path));
  const [bare] = readdirSync(join(one.dir, 'repositories')).filter((name) => !name.endsWith('.turns'));
  assert.not.ok(existsSync(join(one.dir, 'repositories', bare!, 'objects', old.slice(0, 2), old.slice(2))));
  assert.ok(existsSync(join(one.dir, 'repositories', bare!, 'shallow')));
});

test('goes on after a git that was killed', async () => {
  await using one = await rig();
  const first = await one.checkout({ commit: one.repository.commit({ a: '1' }) });
  await first[Symbol.asyncDispose]();
  const [bare] = readdirSync(join(one.dir, 'repositories')).filter((name) => !name.endsWith('.turns'));
  const commit = one.repository.commit({ a: '2' });
  for (const lock of ['shallow.lock', `refs/tsbuild/${commit}.lock`]) {
    writeFileSync(join(one.dir, 'repositories', bare!, lock), '');
  }
  await using files = await one.checkout({ commit });
  assert.is(readFileSync(join(files.path, 'a'), 'utf8'), '2');
});

test('fetches from servers that hand out files', async () => {
  await using one = await rig();
  const first = one.repository.commit({ a: '1' });
  one.repository.git('tag', 'v1');
  one.repository.commit({ a: '2' });
  one.server.answers.set('/repo.git/*', dumbGit(one.repository));
  assert.is(await one.commit('v1'), first);
  await using files = await one.checkout({ commit: first, ref: 'v1' });
  assert.is(readFileSync(join(files.path, 'a'), 'utf8'), '1');
});

test('keeps .git where it is wanted, as a repository of that remote', async () => {
  await using one = await rig();
  const commit = one.repository.commit({ 'a/f': '1' });
  await using files = await one.checkout({ commit, keepGitDir: true });
  assert.equal(files.tree.readdir('/'), ['.git', 'a']);
  assert.is(readFileSync(join(files.path, '.git/HEAD'), 'utf8').trim(), commit);
  const config = readFileSync(join(files.path, '.git/config'), 'utf8');
  assert.match(config, one.remote);
  assert.not.match(config, one.dir);
  await using part = await one.checkout({ commit, keepGitDir: true, subdir: 'a' });
  assert.equal(part.tree.readdir('/'), ['f']);
});

test('fetches submodules of the network unless told not to', async () => {
  await using one = await rig();
  await using temp = await tempDir();
  const inner = new TestRepository(temp.join('inner'));
  const pinned = inner.commit({ i: 'inner' });
  one.server.answers.set('/inner.git/*', smartGit(inner.dir));
  const commit = one.repository.withSubmodule('sub', `${one.server.url}/inner.git`, pinned);
  await using files = await one.checkout({ commit });
  assert.is(readFileSync(join(files.path, 'sub/i'), 'utf8'), 'inner');
  assert.equal(files.tree.readdir('/'), ['.gitmodules', 'sub']);
  assert.equal(files.tree.readdir('/sub'), ['i']);
  await using without = await one.checkout({ commit, submodules: false });
  assert.equal(without.tree.readdir('/sub'), []);
});

test('reads nothing of this machine for a submodule', async () => {
  await using one = await rig();
  await using temp = await tempDir();
  const secret = new TestRepository(temp.join('secret'));
  const pinned = secret.commit({ s: 'secret' });
  for (const url of [secret.dir, `file://${secret.dir}`]) {
    const commit = one.repository.withSubmodule('sub', url, pinned);
    const error = await failure(one.checkout({ commit }));
    assert.is(error.code, 'download-failed', url);
  }
  assert.equal(readdirSync(join(one.dir, 'checkouts')), []);
});

for (const remote of ['file:///tmp/x', '/tmp/x', 'ext::sh -c "touch /tmp/x"', '--upload-pack=x']) {
  test(`refuses ${remote} as a remote`, async () => {
    await using one = await rig();
    const signal = new AbortController().signal;
    const error = await failure(one.source.resolve({ remote, ref: undefined, checksum: undefined, signal }));
    assert.is(error.code, 'download-failed');
  });
}

test('does not follow a redirect to a file', async () => {
  await using one = await rig();
  one.server.answers.set('/repo.git/*', (_request, response) =>
    response.writeHead(302, { location: `file://${one.repository.dir}` }).end(),
  );
  assert.is((await failure(one.commit())).code, 'download-failed');
});

test('runs no programs that a configuration or a repository names', async () => {
  await using one = await rig();
  await using temp = await tempDir();
  const trap = temp.join('sprung');
  const home = temp.join('home');
  mkdirSync(join(home, 'hooks'), { recursive: true });
  writeFileSync(join(home, 'hooks/post-checkout'), `#!/bin/sh\ntouch ${trap}\n`, { mode: 0o755 });
  writeFileSync(
    join(home, '.gitconfig'),
    `[core]\n\thooksPath = ${home}/hooks\n[filter "x"]\n\tsmudge = touch ${trap}\n\trequired = true\n`,
  );
  const commit = one.repository.commit({ a: '1', '.gitattributes': '* filter=x\n' });
  const source = new GitSource({
    dir: temp.join('git'),
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
    sshAgent: noAgent,
    newId: () => 'n',
    takeTurn: (dir, signal) => takeTurn(dir, { signal, purpose: 'test' }),
  });
  const signal = new AbortController().signal;
  const options = { remote: one.remote, ref: undefined, commit, subdir: undefined, submodules: true, signal };
  await using files = await source.checkout({ ...options, keepGitDir: true });
  assert.is(readFileSync(join(files.path, 'a'), 'utf8'), '1');
  assert.not.ok(existsSync(trap));
});

test('goes through no link to a subdirectory', async () => {
  await using one = await rig();
  symlinkSync('/', join(one.repository.dir, 'out'));
  const commit = one.repository.commit({ a: '1' });
  const error = await failure(one.checkout({ commit, subdir: 'out/etc' }));
  assert.is(error.code, 'path-escape');
});

test('says that git is missing', async () => {
  await using one = await rig({ PATH: '/nonexistent' });
  const error = await failure(one.commit());
  assert.is(error.code, 'unsupported-feature');
  assert.match(error.message, 'git');
});

test('ends when it is cancelled', async () => {
  await using one = await rig();
  const controller = new AbortController();
  one.server.answers.set('/repo.git/*', () => controller.abort());
  const { signal } = controller;
  const error = await failure(one.source.resolve({ remote: one.remote, ref: 'x', checksum: undefined, signal }));
  assert.is(error.code, 'cancelled');
});

test.run();
