import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseReference } from '../../src/oci/reference.ts';
import { shownUrl, unreachable } from '../../src/registry/errors.ts';
import { rejectsWith } from '../support/assert.ts';
import { openFakeRegistry } from '../support/fake-registry.ts';
import { testImage } from '../support/images.ts';
import { tempDir } from '../support/temp.ts';
import { AMD64, openRig } from './rig.ts';

const MADE = testImage({ layers: ['one'] });
const test = suite('registry/unreachable');

async function listen(
  onConnection: (socket: Socket) => void,
): Promise<{ host: string; server: Server } & AsyncDisposable> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    server,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

test('nothing listens', async () => {
  const closed = await listen(() => undefined);
  await closed[Symbol.asyncDispose]();
  using rig = openRig();
  const error = await rejectsWith(
    'registry-unreachable',
    () => rig.source.resolve(parseReference(`${closed.host}/app`), AMD64, {}),
    /Cannot reach "127\.0\.0\.1:\d+": nothing listens there/,
  );
  assert.match(error.hint ?? '', /whether the registry is running/);
  assert.equal(rig.waitsMs, []);
});

test('what is no registry is named as such', async () => {
  await using other = await listen(
    (socket) => void socket.on('data', () => socket.end('220 mail.example.com ESMTP\r\n')),
  );
  using rig = openRig();
  await rejectsWith('registry-unreachable', () => rig.source.resolve(parseReference(`${other.host}/app`), AMD64, {}));
});

test('a host that is silent is given up', async () => {
  const sockets: Socket[] = [];
  await using silent = await listen((socket) => sockets.push(socket));
  using rig = openRig({ idleTimeoutMs: 30, connectTimeoutMs: 30 });
  await rejectsWith(
    'registry-unreachable',
    () => rig.source.resolve(parseReference(`${silent.host}/app`), AMD64, {}),
    /does not answer/,
  );
  for (const socket of sockets) socket.destroy();
});

test('TLS is spoken on this machine where the registry does, and its certificate is checked', async () => {
  await using dir = await tempDir();
  const [key, cert] = [join(dir.path, 'key.pem'), join(dir.path, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
    ].concat(['-days', '2', '-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']),
    { stdio: 'ignore' },
  );
  const pem = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  await using registry = await openFakeRegistry({ tls: pem });
  registry.add('app', 'latest', MADE);
  const reference = parseReference(`${registry.host}/app`);
  using trusting = openRig({ ca: pem.cert });
  assert.equal(await trusting.source.resolve(reference, AMD64, {}), MADE.image);
  using rig = openRig();
  const error = await rejectsWith(
    'registry-unreachable',
    () => rig.source.resolve(reference, AMD64, {}),
    /authority that is not trusted/,
  );
  assert.match(error.hint ?? '', /NODE_EXTRA_CA_CERTS/);
  const elsewhere = parseReference(`localhost:${registry.host.split(':')[1]}/app`);
  await rejectsWith(
    'registry-unreachable',
    () => trusting.source.resolve(elsewhere, AMD64, {}),
    /certificate is for another host/,
  );
});

test('every system error is told in words', () => {
  const url = new URL('https://user:secret@registry.example.com/v2/?token=secret');
  const codes = [
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ETIMEDOUT',
    'ECONNRESET',
    'EPIPE',
    'CERT_HAS_EXPIRED',
  ];
  codes.push(
    'CERT_NOT_YET_VALID',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'EPROTO',
    'HPE_INVALID_CONSTANT',
  );
  for (const code of codes) {
    const error = unreachable(url, Object.assign(new Error('raw text'), { code }));
    assert.not.match(error.message, /raw text|secret/, code);
    assert.ok(error.hint, code);
  }
  assert.is(unreachable(url, new Error('raw text')).message, 'Cannot reach "registry.example.com": raw text');
  assert.is(shownUrl(url), 'https://registry.example.com/v2/');
});

test.run();
