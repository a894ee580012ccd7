import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { proxyRule } from '../../src/core/proxy.ts';
import type { HttpClient, HttpOptions } from '../../src/registry/http.ts';
import { openHttp } from '../../src/registry/http.ts';
import { body, serve } from '../support/http-server.ts';
import { serveProxy } from '../support/proxy-server.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('requests through a proxy');

function client(env: Record<string, string>, options: HttpOptions = {}): HttpClient & Disposable {
  const http = openHttp({ connectTimeoutMs: 2000, ...options, proxy: proxyRule(env) });
  return { ...http, [Symbol.dispose]: () => http.close() };
}

async function get(http: HttpClient, url: string, headers: Record<string, string> = {}): Promise<string> {
  const { status, body: stream } = await http.request({ method: 'GET', url: new URL(url), headers });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return `${status} ${Buffer.concat(chunks).toString()}`;
}

async function message(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

/** A server with a certificate for `files.test`. */
async function serveTls(listener: RequestListener): Promise<{ port: number; ca: string } & AsyncDisposable> {
  await using dir = await tempDir();
  const [key, cert] = [dir.join('key.pem'), dir.join('cert.pem')];
  const made = ['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=test'];
  const curve = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const name = ['-addext', 'subjectAltName=DNS:files.test'];
  execFileSync('openssl', ['req', '-x509', '-newkey', ...curve, '-nodes', ...made, ...name], { stdio: 'ignore' });
  const ca = await readFile(cert, 'utf8');
  const server = createServer({ key: await readFile(key), cert: ca }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ca,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('HTTP is asked of the proxy by its whole address, whose host this machine need not know', async () => {
  await using server = await serve({ '/a': body('hello') });
  await using proxy = await serveProxy({ hosts: { 'files.test:80': Number(new URL(server.url).port) } });
  using http = client({ HTTP_PROXY: proxy.url });
  assert.is(await get(http, 'http://files.test/a?b=c', { authorization: 'Bearer x' }), '200 hello');
  assert.equal(proxy.asked, ['GET http://files.test/a?b=c']);
  assert.is(server.requests[0]?.url, '/a?b=c');
  assert.is(server.requests[0]?.headers.host, 'files.test');
  assert.is(server.requests[0]?.headers.authorization, 'Bearer x');
});

test('HTTPS goes through a tunnel, and the proxy sees nothing of it', async () => {
  await using server = await serveTls((request, response) => response.end(`${request.url} ${request.headers.host}`));
  await using proxy = await serveProxy({ hosts: { 'files.test:443': server.port } });
  using http = client({ https_proxy: proxy.url }, { ca: server.ca });
  assert.is(await get(http, 'https://files.test/a', { authorization: 'Bearer x' }), '200 /a files.test');
  assert.equal(proxy.asked, ['CONNECT files.test:443']);
  assert.is(proxy.headers[0]?.authorization, undefined);
  using distrustful = client({ https_proxy: proxy.url });
  assert.match(await message(get(distrustful, 'https://files.test/a')), /self-signed/);
});

test('user and password of the proxy are for the proxy alone', async () => {
  await using plain = await serve({ '/a': body('hello') });
  await using server = await serveTls((request, response) => response.end(JSON.stringify(request.headers)));
  const hosts = { 'files.test:80': Number(new URL(plain.url).port), 'files.test:443': server.port };
  const authorization = `Basic ${Buffer.from('us:p@ss').toString('base64')}`;
  await using proxy = await serveProxy({ hosts, authorization });
  using http = client({ ALL_PROXY: proxy.url.replace('//', '//us:p%40ss@') }, { ca: server.ca });
  assert.is(await get(http, 'http://files.test/a'), '200 hello');
  assert.is(plain.requests[0]?.headers['proxy-authorization'], undefined);
  assert.not.match(await get(http, 'https://files.test/a'), 'proxy-authorization');
});

test('a proxy that wants to know who asks is told from the server', async () => {
  await using proxy = await serveProxy({ hosts: {}, authorization: 'never' });
  using http = client({ ALL_PROXY: proxy.url });
  for (const scheme of ['http', 'https']) {
    assert.is(await message(get(http, `${scheme}://files.test/a`)), 'the proxy answers 407');
  }
});

test('what the proxy cannot reach is an error', async () => {
  await using proxy = await serveProxy({ hosts: {} });
  using http = client({ ALL_PROXY: proxy.url });
  assert.is(await message(get(http, 'https://files.test/a')), 'the proxy answers 502');
  assert.is(await get(http, 'http://files.test/a'), '502 ');
});

test('a proxy that does not answer is given up, and one that is not there is named by its error', async () => {
  const silent = createTcpServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  using http = client({ ALL_PROXY: `127.0.0.1:${port}` }, { connectTimeoutMs: 200 });
  assert.is(await message(get(http, 'https://files.test/a')), 'No answer in time');
  const controller = new AbortController();
  const asked = http.request({
    method: 'GET',
    url: new URL('https://files.test/a'),
    headers: {},
    signal: controller.signal,
  });
  controller.abort();
  assert.match(await message(asked), /cancelled/);
  http.close();
  await new Promise((resolve) => silent.close(resolve));
  using gone = client({ ALL_PROXY: `127.0.0.1:${port}` });
  for (const scheme of ['http', 'https']) {
    assert.match(await message(get(gone, `${scheme}://files.test/a`)), /ECONNREFUSED/);
  }
});

test('hosts of NO_PROXY and this machine are asked themselves', async () => {
  await using server = await serve({ '/a': body('hello') });
  await using proxy = await serveProxy({ hosts: {} });
  using http = client({ ALL_PROXY: proxy.url, NO_PROXY: 'files.invalid' });
  assert.is(await get(http, `${server.url}/a`), '200 hello');
  assert.match(await message(get(http, 'http://files.invalid/a')), /files\.invalid/);
  assert.equal(proxy.asked, []);
});

test.run();
