import { readdirSync, readFileSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, wasCached } from '../support/e2e.ts';
import { smartGit, TestRepository } from '../support/git-server.ts';
import type { Answer } from '../support/http-server.ts';
import { body, serve } from '../support/http-server.ts';
import { privileged } from '../support/privileged.ts';
import { serveProxy } from '../support/proxy-server.ts';

const test = privileged(suite('credentials and proxies for sources, end to end'));

const TOKEN = 'T0KEN-of-the-test';
const PASSWORD = 'Passw0rd-of-the-test';

function locked(authorization: string, answer: Answer): Answer {
  return (request, response) => {
    if (request.headers.authorization === authorization) return answer(request, response);
    return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** No file of the store has one of `secrets`, as it is or as HTTP sends it. */
function assertUnknown(lab: Lab, secrets: readonly string[]): void {
  for (const name of readdirSync(lab.store, { recursive: true, encoding: 'utf8' })) {
    const path = join(lab.store, name);
    if (!lstatSync(path).isFile()) continue;
    const text = readFileSync(path, 'latin1');
    for (const secret of secrets) assert.not.ok(text.includes(secret), name);
  }
}

test('secrets open files and repositories of ADD, and are nowhere but in requests', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  repository.commit({ f: '1' });
  const basic = `Basic ${base64(`x-access-token:${TOKEN}`)}`;
  await using server = await serve({
    '/f': locked(`Bearer ${TOKEN}`, body('one')),
    '/r.git/*': locked(basic, smartGit(repository.dir)),
  });
  const dockerfile = `FROM scratch\nADD ${server.url}/f /d/\nADD --keep-git-dir ${server.url}/r.git /r/\n`;
  const dir = await lab.context('c', { Dockerfile: dockerfile, token: `${TOKEN}\n` });
  const refused = await lab.run(['build', dir]);
  assert.is(refused.code, 4);
  assert.match(refused.stderr, 'hint: give credentials with --secret id=');
  const secrets = [
    '--secret',
    `id=HTTP_AUTH_TOKEN_127.0.0.1,src=${join(dir, 'token')}`,
    '--secret',
    'id=GIT_AUTH_TOKEN,env=TOKEN',
  ];
  const built = await lab.ok(['build', '--progress', 'rawjson', ...secrets, dir], { env: { TOKEN } });
  for (const secret of [TOKEN, basic.slice(6)]) assert.not.match(built.stderr, secret);
  assertUnknown(lab, [TOKEN, basic.slice(6)]);
  // The next token is no other build.
  server.answers.set('/f', locked('Basic other', body('one')));
  const header = ['--secret', 'id=HTTP_AUTH_HEADER_127.0.0.1,env=HEADER', '--secret', 'id=GIT_AUTH_TOKEN,env=TOKEN'];
  assert.ok(wasCached(await lab.ok(['build', ...header, dir], { env: { HEADER: 'Basic other', TOKEN } }), 'ADD'));
});

test('secrets open contexts, also for checks', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  repository.commit({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  await using server = await serve({
    '/r.git/*': locked('Bearer x', smartGit(repository.dir)),
    '/Dockerfile': locked('Bearer x', body('FROM scratch\nCOPY <<E /x\nE\n')),
  });
  const { host, hostname } = new URL(server.url);
  const git = ['--secret', `id=GIT_AUTH_HEADER.${host},env=HEADER`];
  const http = ['--secret', `id=HTTP_AUTH_HEADER_${hostname},env=HEADER`];
  const options = { env: { HEADER: 'Bearer x' } };
  await lab.ok(['build', ...git, `${server.url}/r.git`], options);
  await lab.ok(['build', '--check', ...git, `${server.url}/r.git`], options);
  await lab.ok(['build', ...http, `${server.url}/Dockerfile`], options);
  const dir = await lab.context('c', { Dockerfile: 'FROM scratch\nCOPY --from=other Dockerfile /\n' });
  await lab.ok(['build', ...git, '--build-context', `other=${server.url}/r.git`, dir], options);
  assert.is((await lab.run(['build', `${server.url}/r.git`])).code, 4);
});

test('the password of a URL is shown nowhere: not by progress, errors, excerpts or the history', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  repository.commit({ f: '1' });
  const basic = `Basic ${base64(`us:${PASSWORD}`)}`;
  await using server = await serve({
    '/f': locked(basic, body('one')),
    '/r.git/*': locked(basic, smartGit(repository.dir)),
    '/gone': (_request, response) => response.writeHead(404).end(),
  });
  const url = server.url.replace('//', `//us:${PASSWORD}@`);
  const dockerfile = `FROM scratch\nARG HOST\nADD http://us:${PASSWORD}@\${HOST}/f /d/\nADD --keep-git-dir ${url}/r.git /r/\n`;
  const args = ['--build-arg', `HOST=${new URL(url).host}`];
  for (const progress of ['plain', 'rawjson']) {
    const built = await lab.build('a', dockerfile, {}, ['--no-cache', '--progress', progress, ...args]);
    assert.match(built.stderr, `ADD http://xxxxx@${new URL(url).host}/f`);
    assert.not.match(built.stderr, PASSWORD);
  }
  const history = (await lab.ok(['history', '--no-trunc', 'a'])).stdout;
  assert.match(history, `ADD http://xxxxx@${new URL(url).host}/r.git /r/`);
  assert.not.match(history, PASSWORD);
  assertUnknown(lab, [PASSWORD, basic.slice(6)]);
  const failing = await lab.context('f', { Dockerfile: `FROM scratch\nADD ${url}/gone /\n` });
  for (const command of [
    ['build', failing],
    ['build', '-f', `${url}/gone`, failing],
    ['build', `${url}/gone`],
  ]) {
    const outcome = await lab.run(command);
    assert.is(outcome.code, 4);
    assert.match(outcome.stderr, 'answers 404');
    assert.not.match(outcome.stderr, PASSWORD);
  }
});

test('files, repositories and contexts come through the proxy of the environment', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  repository.commit({ f: '1', Dockerfile: 'FROM scratch\nCOPY f /\n' });
  await using server = await serve({ '/f': body('one'), '/r.git/*': smartGit(repository.dir) });
  const { port } = new URL(server.url);
  const authorization = `Basic ${base64(`us:${PASSWORD}`)}`;
  await using proxy = await serveProxy({ hosts: { 'files.invalid:80': Number(port) }, authorization });
  const dir = await lab.context('c', {
    Dockerfile: 'FROM scratch\nADD http://files.invalid/f /\nADD http://files.invalid/r.git /r/\n',
  });
  const HTTP_PROXY = proxy.url.replace('//', `//us:${PASSWORD}@`);
  const clean = { http_proxy: '', all_proxy: '', ALL_PROXY: '', no_proxy: '', NO_PROXY: '' };
  const built = await lab.ok(['build', dir], { env: { ...clean, HTTP_PROXY } });
  assert.not.match(built.stderr, PASSWORD);
  assert.ok(proxy.asked.includes('GET http://files.invalid/f'));
  assert.ok(proxy.asked.some((line) => line.startsWith('GET http://files.invalid/r.git/info/refs')));
  proxy.asked.length = 0;
  await lab.ok(['build', 'http://files.invalid/r.git'], { env: { ...clean, HTTP_PROXY } });
  assert.ok(proxy.asked.length > 0);
  // A build that is cached asks through it, too, and fails without it.
  assert.is((await lab.run(['build', dir], { env: { ...clean, HTTP_PROXY, NO_PROXY: 'files.invalid' } })).code, 4);
  assert.ok(server.requests.every(({ headers }) => headers['proxy-authorization'] === undefined));
  const refused = await lab.run(['build', dir], { env: { ...clean, HTTP_PROXY: proxy.url } });
  assert.match(refused.stderr, '407');
});

test('a commit is fetched by itself, whatever its branch is by now', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  const commit = repository.commit({ f: '1' });
  repository.commit({ f: '2' });
  await using server = await serve({ '/r.git/*': smartGit(repository.dir) });
  const add = (query: string): Promise<string> =>
    lab.context('c', {
      Dockerfile: `FROM scratch\nADD ${server.url}/r.git?branch=main&checksum=${commit}${query} /r/\n`,
    });
  assert.match((await lab.run(['build', await add('')])).stderr, 'its commit is');
  await lab.ok(['build', await add('&fetch-by-commit=true')]);
  const asked = server.requests.length;
  assert.ok(wasCached(await lab.ok(['build', await add('&fetch-by-commit=true')]), 'ADD'));
  assert.is(server.requests.length, asked);
  const short = await lab.context('s', {
    Dockerfile: `FROM scratch\nADD ${server.url}/r.git?checksum=${commit.slice(0, 9)}&fetch-by-commit /r/\n`,
  });
  assert.match((await lab.run(['build', short])).stderr, /Dockerfile:2: .*needs the commit in full/);
});

test.run();
