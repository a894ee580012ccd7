import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { parsePrivateKey } from '../../src/executor/agent-keys.ts';
import { makeKey, publicKey } from '../support/ssh.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('private keys for agents');

const KINDS: Readonly<Record<string, readonly string[]>> = {
  ed25519: ['-t', 'ed25519'],
  rsa: ['-t', 'rsa', '-b', '2048'],
  p256: ['-t', 'ecdsa', '-b', '256'],
  p384: ['-t', 'ecdsa', '-b', '384'],
  p521: ['-t', 'ecdsa', '-b', '521'],
  'rsa as PEM': ['-t', 'rsa', '-b', '2048', '-m', 'PEM'],
  'p521 as PEM': ['-t', 'ecdsa', '-b', '521', '-m', 'PEM'],
  'rsa as PKCS8': ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8'],
  'p256 as PKCS8': ['-t', 'ecdsa', '-b', '256', '-m', 'PKCS8'],
};

function refused(text: Uint8Array | string, code: string, message: RegExp): void {
  try {
    parsePrivateKey(Buffer.from(text), '/k');
  } catch (error) {
    assert.instance(error, BuildError);
    assert.is((error as BuildError).code, code);
    assert.match((error as BuildError).message, message);
    assert.is((error as BuildError).cause, undefined);
    return;
  }
  assert.unreachable('the key was taken');
}

for (const [name, options] of Object.entries(KINDS)) {
  test(`a key is read as ssh-keygen writes it: ${name}`, async () => {
    await using dir = await tempDir();
    const path = makeKey(dir.join('key'), options);
    const key = parsePrivateKey(readFileSync(path), path);
    assert.is(Buffer.from(key.blob).toString('base64'), publicKey(path).split(' ')[1]);
  });
}

test('Ed25519 keys of OpenSSL are read', async () => {
  await using dir = await tempDir();
  const path = dir.join('key');
  execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path]);
  execFileSync('chmod', ['600', path]);
  const key = parsePrivateKey(readFileSync(path), path);
  const der = execFileSync('openssl', ['pkey', '-in', path, '-pubout', '-outform', 'DER']);
  assert.equal(Buffer.from(key.blob).subarray(-32), der.subarray(-32));
  assert.is(key.sign(Buffer.from('x'), 0).length, 4 + 'ssh-ed25519'.length + 4 + 64);
});

test('a passphrase is asked for by no build', async () => {
  await using dir = await tempDir();
  const forms: readonly (readonly string[])[] = [
    ['-t', 'ed25519'],
    ['-t', 'rsa', '-m', 'PEM'],
    ['-t', 'ecdsa', '-m', 'PKCS8'],
  ];
  for (const [index, options] of forms.entries()) {
    const path = makeKey(dir.join(`key${index}`), options, 'a passphrase');
    refused(readFileSync(path), 'unsupported', /protected by a passphrase/);
  }
});

test('keys of other kinds are named', async () => {
  await using dir = await tempDir();
  refused(
    '-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n',
    'unsupported',
    /DSA is not among RSA/,
  );
  for (const [algorithm, options, message] of [
    ['ec', ['-pkeyopt', 'ec_paramgen_curve:secp256k1'], /secp256k1/],
    ['x25519', [], /x25519/],
  ] as const) {
    const path = dir.join(algorithm);
    execFileSync('openssl', ['genpkey', '-algorithm', algorithm, ...options, '-out', path]);
    refused(readFileSync(path), 'unsupported', message);
  }
});

test('what is no key is refused', async () => {
  await using dir = await tempDir();
  const path = makeKey(dir.join('key'));
  refused('', 'usage', /no private key in it/);
  refused(readFileSync(`${path}.pub`), 'usage', /no private key in it/);
  refused('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'usage', /malformed/);
  refused('-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n', 'usage', /malformed/);
});

test('a damaged key is a refusal without anything of the key in it', async () => {
  await using dir = await tempDir();
  for (const options of [KINDS['ed25519'], KINDS['p384'], KINDS['rsa']]) {
    const text = readFileSync(makeKey(dir.join(`key-${options?.[1]}`), options), 'latin1');
    const bytes = Buffer.from(text.replace(/-----[^-]*-----/g, ''), 'base64');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, mask, cut) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = damaged[at]! ^ mask;
        const base64 = (cut ? damaged.subarray(0, at) : damaged).toString('base64');
        const block = `-----BEGIN OPENSSH PRIVATE KEY-----\n${base64}\n-----END OPENSSH PRIVATE KEY-----\n`;
        try {
          parsePrivateKey(Buffer.from(block), '/k');
        } catch (error) {
          assert.instance(error, BuildError);
          assert.is((error as BuildError).cause, undefined);
        }
      }),
      { numRuns: 100 },
    );
  }
});

test.run();
