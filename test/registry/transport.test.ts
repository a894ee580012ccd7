import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HttpClient, HttpRequest, HttpResponse } from '../../src/registry/http.ts';
import { Transport } from '../../src/registry/transport.ts';
import { rejectsWith } from '../support/assert.ts';

/** A response's status and headers, or the code of a system error. */
type Answer = string | { readonly status: number; readonly headers?: Record<string, string> };

interface Script {
  readonly transport: Transport;
  readonly asked: HttpRequest[];
  readonly waitsMs: number[];
}

/** A transport whose requests are answered in this order. */
function script(answers: readonly Answer[]): Script {
  const queue = [...answers];
  const asked: HttpRequest[] = [];
  const waitsMs: number[] = [];
  const http: HttpClient = {
    request: (request) => {
      asked.push(request);
      const answer = queue.shift();
      if (answer === undefined) throw new Error('one request too many');
      if (typeof answer === 'string') return Promise.reject(Object.assign(new Error(answer), { code: answer }));
      const body = Readable.from([]) as IncomingMessage;
      const response: HttpResponse = { status: answer.status, headers: answer.headers ?? {}, url: request.url, body };
      return Promise.resolve(response);
    },
    close: () => undefined,
  };
  const sleep = (ms: number): Promise<void> => Promise.resolve(void waitsMs.push(ms));
  return { transport: new Transport({ http, sleep, random: () => 0, now: () => 0 }), asked, waitsMs };
}

const REQUEST: HttpRequest = {
  method: 'GET',
  url: new URL('https://registry.example.com/v2/a/blobs/x'),
  headers: { authorization: 'Bearer t', range: 'bytes=5-' },
};
const OK = { status: 200 };
const test = suite('registry/transport');

test('what may pass is tried again, with waits that grow', async () => {
  const { transport, waitsMs } = script(['ECONNRESET', { status: 503 }, 'ETIMEDOUT', { status: 429 }, OK]);
  assert.is((await transport.send(REQUEST)).status, 200);
  assert.equal(waitsMs, [250, 500, 1000, 2000]);
});

test('five times are enough', async () => {
  await rejectsWith('registry-unreachable', () => script(Array(6).fill('ECONNRESET')).transport.send(REQUEST));
  const overloaded = script(Array(6).fill({ status: 500 }));
  assert.is((await overloaded.transport.send(REQUEST)).status, 500);
  assert.is(overloaded.asked.length, 5);
});

test('a machine without a network is told soon', async () => {
  const cases: readonly (readonly [code: string, attempts: number])[] = [
    ['EAI_AGAIN', 2],
    ['ENETUNREACH', 2],
    ['ENOTFOUND', 1],
    ['ECONNREFUSED', 1],
    ['CERT_HAS_EXPIRED', 1],
  ];
  for (const [code, attempts] of cases) {
    const { transport, asked } = script(Array(6).fill(code));
    await rejectsWith('registry-unreachable', () => transport.send(REQUEST), /Cannot reach "registry\.example\.com"/);
    assert.is(asked.length, attempts, code);
  }
});

test('a wait that is asked for is kept, unless it is too long', async () => {
  const patient = script([{ status: 429, headers: { 'retry-after': '60' } }, OK]);
  assert.is((await patient.transport.send(REQUEST)).status, 200);
  assert.equal(patient.waitsMs, [60_000]);
  const hurried = script([{ status: 429, headers: { 'retry-after': '61' } }]);
  assert.is((await hurried.transport.send(REQUEST)).status, 429);
  const confused = script([{ status: 503, headers: { 'retry-after': 'soon' } }, OK]);
  await confused.transport.send(REQUEST);
  assert.equal(confused.waitsMs, [250]);
});

test('a redirect keeps the range, and the token only on the same host', async () => {
  const { transport, asked } = script([
    { status: 307, headers: { location: '/elsewhere' } },
    { status: 302, headers: { location: 'https://cdn.example.com/blob?signature=s' } },
    OK,
  ]);
  const response = await transport.send(REQUEST);
  assert.is(response.url.href, 'https://cdn.example.com/blob?signature=s');
  assert.equal(
    asked.map(({ url, headers }) => [url.host, headers['authorization'], headers['range']]),
    [
      ['registry.example.com', 'Bearer t', 'bytes=5-'],
      ['registry.example.com', 'Bearer t', 'bytes=5-'],
      ['cdn.example.com', undefined, 'bytes=5-'],
    ],
  );
});

test('a failure after a redirect names the host that failed, and begins anew', async () => {
  const redirect = { status: 307, headers: { location: 'https://cdn.example.com/blob?signature=s' } };
  const passing = script([redirect, 'ECONNRESET', redirect, OK]);
  await passing.transport.send(REQUEST);
  assert.is(passing.asked[2]?.url.host, 'registry.example.com');
  const error = await rejectsWith(
    'registry-unreachable',
    () => script([redirect, 'ENOTFOUND']).transport.send(REQUEST),
    /"cdn\.example\.com"/,
  );
  assert.not.match(error.message, /signature/);
});

test('redirects to what is not encrypted, or no address, are refused', async () => {
  for (const location of ['http://registry.example.com/x', 'http://127.0.0.1/x', 'file:///etc/passwd', 'https://']) {
    await rejectsWith('registry-error', () => script([{ status: 302, headers: { location } }]).transport.send(REQUEST));
  }
});

test.run();
