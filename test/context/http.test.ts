import { readFile, rm, writeFile, readdir } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobPath, openContentStore } from '../../src/content/fs-store.ts';
import type { DownloadOptions } from '../../src/context/http.ts';
import { HttpSource } from '../../src/context/http.ts';
import { digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { openHttp } from '../../src/registry/http.ts';
import { body, redirect, serve } from '../support/http-server.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('files by HTTP');

const MODIFIED = 'Thu, 05 May 2005 05:05:05 GMT';

interface Rig extends AsyncDisposable {
  readonly root: string;
  readonly dir: string;
  readonly source: HttpSource;
  fetch(url: string, options?: Partial<DownloadOptions>): ReturnType<HttpSource['fetch']>;
}

async function rig(): Promise<Rig> {
  const temp = await tempDir();
  const client = openHttp({ connectTimeoutMs: 2000 });
  const dir = temp.join('http');
  const source = new HttpSource({
    dir,
    sender: async () => client,
    blobs: openContentStore(temp.path),
    pause: async () => undefined,
  });
  return {
    root: temp.path,
    dir,
    source,
    fetch: (url, options = {}) => source.fetch(url, { signal: new AbortController().signal, ...options }),
    async [Symbol.asyncDispose]() {
      client.close();
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

test('keeps what it downloads as a blob, with its time', async () => {
  await using server = await serve({ '/a': body('hello', { 'last-modified': MODIFIED }) });
  await using one = await rig();
  const file = await one.fetch(`${server.url}/a`);
  assert.is(file.digest, digestOf('hello'));
  assert.is(file.sizeBytes, 5);
  assert.is(file.modifiedAt, Date.UTC(2005, 4, 5, 5, 5, 5) / 1000);
  assert.is(await readFile(blobPath(one.root, file.digest), 'utf8'), 'hello');
});

for (const [what, headers, asked] of [
  ['an ETag', { etag: '"1"', 'last-modified': MODIFIED }, { 'if-none-match': '"1"' }],
  ['a time', { 'last-modified': MODIFIED }, { 'if-modified-since': MODIFIED }],
] as const) {
  test(`asks by ${what} whether a file has changed`, async () => {
    await using server = await serve({ '/a': body('hello', headers) });
    await using one = await rig();
    const first = await one.fetch(`${server.url}/a`);
    const again = await one.fetch(`${server.url}/a`);
    assert.is(again.digest, first.digest);
    assert.is(again.modifiedAt, first.modifiedAt);
    assert.is(server.requests.length, 2);
    for (const [name, value] of Object.entries(asked)) assert.is(server.requests[1]?.headers[name], value);
    server.answers.set('/a', body('other', { etag: '"2"' }));
    assert.is((await one.fetch(`${server.url}/a`)).digest, digestOf('other'));
  });
}

test('downloads again what is not in the store any more, or was remembered badly', async () => {
  await using server = await serve({ '/a': body('hello', { etag: '"1"' }) });
  await using one = await rig();
  const { digest } = await one.fetch(`${server.url}/a`);
  await rm(blobPath(one.root, digest));
  assert.is((await one.fetch(`${server.url}/a`)).digest, digest);
  assert.is(await readFile(blobPath(one.root, digest), 'utf8'), 'hello');
  for (const name of await readdir(one.dir)) await writeFile(`${one.dir}/${name}`, '{"url":"');
  assert.is((await one.fetch(`${server.url}/a`)).digest, digest);
  assert.equal(
    server.requests.map(({ headers }) => headers['if-none-match']),
    [undefined, undefined, undefined],
  );
});

test('asks for nothing where a checksum says what is at hand', async () => {
  await using server = await serve({ '/a': body('hello') });
  await using one = await rig();
  const checksum = digestOf('hello');
  await one.fetch(`${server.url}/a`, { checksum });
  await one.fetch(`${server.url}/a`, { checksum });
  assert.is(server.requests.length, 1);
});

test('refuses what has another checksum, also where it is known', async () => {
  await using server = await serve({ '/a': body('hello', { etag: '"1"' }) });
  await using one = await rig();
  const checksum = digestOf('other');
  for (let count = 0; count < 2; count++) {
    const error = await failure(one.fetch(`${server.url}/a`, { checksum }));
    assert.is(error.code, 'checksum-mismatch');
    assert.match(error.message, digestOf('hello'));
    await one.fetch(`${server.url}/a`);
  }
});

test('follows redirects, without the credentials of the first URL', async () => {
  await using other = await serve({ '/b': body('there') });
  await using server = await serve({ '/a': redirect(`${other.url}/b`) });
  await using one = await rig();
  const url = `${server.url}/a`.replace('//', '//user:pa%20ss@');
  assert.is((await one.fetch(url)).digest, digestOf('there'));
  const sent = server.requests[0]?.headers.authorization;
  assert.is(sent, `Basic ${Buffer.from('user:pa ss').toString('base64')}`);
  assert.is(other.requests[0]?.headers.authorization, undefined);
});

for (const location of ['file:///etc/passwd', 'ftp://example.com/x', 'data:text/plain,x', 'http://[']) {
  test(`does not follow a redirect to ${location}`, async () => {
    await using server = await serve({ '/a': redirect(location) });
    await using one = await rig();
    const error = await failure(one.fetch(`${server.url}/a`));
    assert.is(error.code, 'download-failed');
    assert.match(error.message, /neither http nor https/);
  });
}

test('ends a circle of redirects', async () => {
  await using server = await serve({ '/a': redirect('/a') });
  await using one = await rig();
  assert.match((await failure(one.fetch(`${server.url}/a`))).message, /more than 10 redirects/);
  assert.is(server.requests.length, 11);
});

test('says what the server says, and tries again only what may pass', async () => {
  let count = 0;
  await using server = await serve({
    '/busy': (request, response) => (count++ < 2 ? response.writeHead(503).end() : body('late')(request, response)),
    '/down': (_request, response) => response.writeHead(502).end(),
  });
  await using one = await rig();
  assert.is((await one.fetch(`${server.url}/busy`)).digest, digestOf('late'));
  assert.match((await failure(one.fetch(`${server.url}/down`))).message, /answers 502/);
  assert.is(server.requests.length, 6);
  const missing = await failure(one.fetch(`${server.url}/none`.replace('//', '//user:secret@')));
  assert.is(missing.code, 'download-failed');
  assert.match(missing.message, /answers 404/);
  assert.not.match(missing.message, 'secret');
  assert.is(server.requests.length, 7);
});

test('refuses bodies that are cut off', async () => {
  await using server = await serve({
    '/a': (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('short', () => response.destroy());
    },
  });
  await using one = await rig();
  const error = await failure(one.fetch(`${server.url}/a`));
  assert.is(error.code, 'download-failed');
  assert.match(error.message, /broke off/);
  assert.is(server.requests.length, 3);
});

for (const announced of [true, false]) {
  test(`refuses bodies that are too large, ${announced ? 'announced' : 'found on the way'}`, async () => {
    await using server = await serve({
      '/a': (_request, response) => {
        if (announced) response.setHeader('content-length', '100');
        response.write('x'.repeat(50));
        response.end('x'.repeat(50));
      },
    });
    await using one = await rig();
    const error = await failure(one.fetch(`${server.url}/a`, { maxBytes: 60 }));
    assert.is(error.code, 'limit-exceeded');
  });
}

test('says that a host cannot be reached', async () => {
  const server = await serve({});
  const { url } = server;
  await server[Symbol.asyncDispose]();
  await using one = await rig();
  const error = await failure(one.fetch(`${url}/a`));
  assert.is(error.code, 'download-failed');
  assert.match(error.message, /cannot be reached \(ECONNREFUSED\)/);
});

test('ends when it is cancelled', async () => {
  const controller = new AbortController();
  await using server = await serve({
    '/a': (_request, response) => {
      response.write('x', () => controller.abort());
    },
  });
  await using one = await rig();
  assert.is((await failure(one.fetch(`${server.url}/a`, { signal: controller.signal }))).code, 'cancelled');
});

test.run();
