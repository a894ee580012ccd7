import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { takeTurn } from '../../src/cache/turn.ts';
import { gitRemote } from '../../src/context/credentials.ts';
import type { Checkout, CheckoutOptions } from '../../src/context/git.ts';
import { GitSource } from '../../src/context/git.ts';
import { BuildError } from '../../src/core/errors.ts';
import { smartGit, TestRepository } from '../support/git-server.ts';
import type { Answer, TestServer } from '../support/http-server.ts';
import { serve } from '../support/http-server.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('credentials for repositories');

const PASSWORD = 'Passw0rd';
const TOKEN = 'T0KEN';

/** Lets in who says `authorization`. */
function locked(authorization: string, answer: Answer): Answer {
  return (request, response) => {
    if (request.headers.authorization === authorization) return answer(request, response);
    return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
  };
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

interface Rig extends AsyncDisposable {
  readonly repository: TestRepository;
  readonly server: TestServer;
  /** Every argument that git was given. */
  argv(): string;
  checkout(
    url: string,
    secrets?: Readonly<Record<string, string>>,
    options?: Partial<CheckoutOptions>,
  ): Promise<Checkout>;
}

async function rig(): Promise<Rig> {
  const temp = await tempDir();
  const repository = new TestRepository(temp.join('origin'));
  const server = await serve({});
  // A git that writes down what it is called with, before the real one.
  const log = temp.join('argv');
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  mkdirSync(temp.join('bin'));
  writeFileSync(temp.join('bin/git'), `#!/bin/sh\nprintf '%s\\n' "$@" >> '${log}'\nexec '${real}' "$@"\n`, {
    mode: 0o755,
  });
  const signal = new AbortController().signal;
  let ids = 0;
  const source = new GitSource({
    dir: temp.join('git'),
    env: { PATH: `${temp.join('bin')}:${process.env['PATH'] ?? ''}`, HOME: temp.join('home') },
    sshAgent: () => Promise.reject(new Error('no repository is reached by SSH')),
    newId: () => `n${++ids}`,
    takeTurn: (dir) => takeTurn(dir, { signal, purpose: 'test' }),
  });
  return {
    repository,
    server,
    argv: () => readFileSync(log, 'utf8'),
    async checkout(url, secrets = {}, options = {}) {
      const place = gitRemote(url, (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])));
      const ref = undefined;
      const commit = await source.resolve({ ...place, ref, checksum: undefined, signal });
      const defaults = { ref, commit, subdir: undefined, keepGitDir: false, submodules: true, signal };
      return source.checkout({ ...place, ...defaults, ...options });
    },
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

test('a token opens a repository, and is no argument of git', async () => {
  await using one = await rig();
  one.repository.commit({ a: '1' });
  one.server.answers.set('/r.git/*', locked(basic(`x-access-token:${TOKEN}`), smartGit(one.repository.dir)));
  const url = `${one.server.url}/r.git`;
  await using files = await one.checkout(url, { GIT_AUTH_TOKEN: TOKEN });
  assert.is(readFileSync(join(files.path, 'a'), 'utf8'), '1');
  assert.match(one.argv(), url);
  for (const secret of [TOKEN, Buffer.from(`x-access-token:${TOKEN}`).toString('base64')]) {
    assert.not.match(one.argv(), secret);
  }
});

test('without a token, or with a wrong one, the error says how to give one', async () => {
  await using one = await rig();
  one.server.answers.set('/r.git/*', locked('Bearer right', smartGit(one.repository.dir)));
  const url = `${one.server.url}/r.git`;
  for (const secrets of [{}, { GIT_AUTH_TOKEN: TOKEN }]) {
    const error = await failure(one.checkout(url, secrets));
    assert.is(error.code, 'download-failed');
    assert.match(error.hint ?? '', `--secret id=GIT_AUTH_TOKEN.${new URL(url).host},env=`);
    assert.not.match(error.message, TOKEN);
  }
});

test('user and password of a URL are no arguments of git, and not kept in .git, and still open submodules beside it', async () => {
  await using one = await rig();
  await using temp = await tempDir();
  const inner = new TestRepository(temp.join('inner'));
  const pinned = inner.commit({ i: 'inner' });
  const authorization = basic(`us:${PASSWORD}`);
  one.server.answers.set('/inner.git/*', locked(authorization, smartGit(inner.dir)));
  one.server.answers.set('/r.git/*', locked(authorization, smartGit(one.repository.dir)));
  one.repository.withSubmodule('sub', '../inner.git', pinned);
  const url = `${one.server.url}/r.git`.replace('//', `//us:${PASSWORD}@`);
  await using files = await one.checkout(url, {}, { keepGitDir: true });
  assert.is(readFileSync(join(files.path, 'sub/i'), 'utf8'), 'inner');
  assert.not.match(one.argv(), PASSWORD);
  for (const name of readdirSync(files.path, { recursive: true, encoding: 'utf8' })) {
    const path = join(files.path, name);
    if (!lstatSync(path).isFile()) continue;
    const text = readFileSync(path, 'latin1');
    assert.not.ok(text.includes(PASSWORD) || text.includes(authorization), name);
  }
});

test('credentials go no further than the repository they are for', async () => {
  await using one = await rig();
  await using temp = await tempDir();
  await using other = await serve({});
  const inner = new TestRepository(temp.join('inner'));
  const pinned = inner.commit({ i: 'inner' });
  other.answers.set('/inner.git/*', smartGit(inner.dir));
  one.server.answers.set('/r.git/*', locked(basic(`x-access-token:${TOKEN}`), smartGit(one.repository.dir)));
  one.repository.withSubmodule('sub', `${other.url}/inner.git`, pinned);
  await using files = await one.checkout(`${one.server.url}/r.git`, { GIT_AUTH_TOKEN: TOKEN });
  assert.is(readFileSync(join(files.path, 'sub/i'), 'utf8'), 'inner');
  assert.ok(other.requests.length > 0);
  assert.ok(other.requests.every(({ headers }) => headers.authorization === undefined));
});

test('a redirect does not get credentials, and the error says so', async () => {
  await using one = await rig();
  await using other = await serve({});
  one.repository.commit({ a: '1' });
  other.answers.set('/r.git/*', smartGit(one.repository.dir));
  one.server.answers.set('/r.git/*', (request, response) =>
    response.writeHead(302, { location: `${other.url}${request.url}` }).end(),
  );
  const error = await failure(one.checkout(`${one.server.url}/r.git`, { GIT_AUTH_TOKEN: TOKEN }));
  assert.match(error.hint ?? '', 'credentials are not sent along');
  assert.is(other.requests.length, 0);
  // Without any there is nothing to lose.
  await using files = await one.checkout(`${one.server.url}/r.git`);
  assert.is(readFileSync(join(files.path, 'a'), 'utf8'), '1');
});

test('times are those of the commit, or those of the checkout where that is wanted', async () => {
  await using one = await rig();
  one.repository.commit({ a: '1' });
  one.server.answers.set('/r.git/*', smartGit(one.repository.dir));
  const url = `${one.server.url}/r.git`;
  await using committed = await one.checkout(url);
  assert.is(committed.tree.lstat('/a')?.mtimeNs, 1_000_000_000n * 1_000_000_000n);
  const before = BigInt(Date.now() - 60_000) * 1_000_000n;
  await using written = await one.checkout(url, {}, { mtime: 'checkout' });
  const entry = written.tree.lstat('/a');
  assert.ok(entry !== undefined && entry.mtimeNs > before);
  assert.is(entry.mode & 0o777, 0o644);
});

test.run();
