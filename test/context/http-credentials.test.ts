import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openContentStore } from '../../src/content/fs-store.ts';
import { HttpSource } from '../../src/context/http.ts';
import { BuildError } from '../../src/core/errors.ts';
import { openHttp } from '../../src/registry/http.ts';
import { body, redirect, serve } from '../support/http-server.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('credentials for files by HTTP');

interface Rig extends AsyncDisposable {
  readonly dir: string;
  fetch(url: string): Promise<unknown>;
}

async function rig(secrets: Readonly<Record<string, string>>): Promise<Rig> {
  const temp = await tempDir();
  const client = openHttp({ connectTimeoutMs: 2000 });
  const source = new HttpSource({
    dir: temp.join('http'),
    sender: async () => client,
    blobs: openContentStore(temp.path),
    secret: (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
    pause: async () => undefined,
  });
  return {
    dir: temp.join('http'),
    fetch: (url) => source.fetch(url, { signal: new AbortController().signal }),
    async [Symbol.asyncDispose]() {
      client.close();
      await temp[Symbol.asyncDispose]();
    },
  };
}

const TOKEN = { 'HTTP_AUTH_TOKEN_127.0.0.1': 'T0KEN' };

test('a token is sent to its host, also in the place of what the URL says', async () => {
  await using server = await serve({ '/a': body('x') });
  await using one = await rig(TOKEN);
  await one.fetch(`${server.url}/a`);
  await one.fetch(`${server.url}/a`.replace('//', '//us:pa@'));
  assert.equal(
    server.requests.map(({ headers }) => headers.authorization),
    ['Bearer T0KEN', 'Bearer T0KEN'],
  );
});

test('a redirect on the same server keeps it, one to another server does not, and neither does the way back', async () => {
  await using other = await serve({ '/a': body('x') });
  await using server = await serve({
    '/same': redirect('/a'),
    '/a': body('x'),
    '/host': (request, response) =>
      redirect(`http://localhost:${request.headers.host?.split(':')[1] ?? ''}/a`)(request, response),
    '/port': redirect(`${other.url}/a`),
    '/away': redirect(`${other.url}/back`),
  });
  other.answers.set('/back', redirect(`${server.url}/a`));
  await using one = await rig(TOKEN);
  const sent = async (path: string): Promise<(string | undefined)[]> => {
    server.requests.length = 0;
    other.requests.length = 0;
    await one.fetch(`${server.url}${path}`);
    return [...server.requests, ...other.requests].map(({ headers }) => headers.authorization);
  };
  assert.equal(await sent('/same'), ['Bearer T0KEN', 'Bearer T0KEN']);
  assert.equal(await sent('/host'), ['Bearer T0KEN', undefined]);
  assert.equal(await sent('/port'), ['Bearer T0KEN', undefined]);
  assert.equal(await sent('/away'), ['Bearer T0KEN', undefined, undefined]);
});

test('what is refused says how to give credentials, and shows none', async () => {
  await using server = await serve({ '/a': (_request, response) => response.writeHead(401).end() });
  await using one = await rig(TOKEN);
  try {
    await one.fetch(`${server.url}/a`);
  } catch (error) {
    assert.instance(error, BuildError);
    assert.match((error as BuildError).hint ?? '', '--secret id=HTTP_AUTH_TOKEN_127.0.0.1,env=');
    return assert.not.match((error as BuildError).message, 'T0KEN');
  }
  assert.unreachable('nothing was thrown');
});

test('neither a token nor the password of a URL is written down', async () => {
  await using server = await serve({ '/a': body('x', { etag: '"1"' }) });
  await using one = await rig(TOKEN);
  const url = `${server.url}/a`.replace('//', '//us:Passw0rd@');
  await one.fetch(url);
  for (const name of await readdir(one.dir)) {
    assert.not.match(await readFile(join(one.dir, name), 'utf8'), /Passw0rd|T0KEN/);
  }
  // It is found again all the same.
  await one.fetch(url);
  assert.is(server.requests[1]?.headers['if-none-match'], '"1"');
});

test.run();
