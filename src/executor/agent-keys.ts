/**
 * Private keys from files, as an agent uses them.
 *
 * Cryptography and PEM are Node's; here are only the encodings of SSH: its public keys (RFC 4253, 5656, 8709), its signatures (also RFC
 * 8332), and the container that ssh-keygen writes (openssh-key.ts). No error has a cause, so that nothing of a key gets into a message.
 */
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { BuildError } from '../core/errors.ts';
import { readOpenSshKey } from './openssh-key.ts';
import { wireMpint, wireString } from './ssh-wire.ts';
import type { AgentKey } from './types.ts';

/** By the curve's name in JWK. */
const CURVES: Readonly<Record<string, { readonly name: string; readonly hash: string }>> = {
  'P-256': { name: 'nistp256', hash: 'sha256' },
  'P-384': { name: 'nistp384', hash: 'sha384' },
  'P-521': { name: 'nistp521', hash: 'sha512' },
};

/** Flags of a request to sign. */
const RSA_SHA2_256 = 2;
const RSA_SHA2_512 = 4;

const BLOCK = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\s[^]*?-----END \1-----/;

/**
 * The key in the text of a file, as OpenSSH or OpenSSL write it: RSA, ECDSA or Ed25519. `path` is for messages. Throws `unsupported` for
 * one with a passphrase or of another kind, and `usage` for what is none.
 */
export function parsePrivateKey(text: Uint8Array, path: string): AgentKey {
  const [block, label] = BLOCK.exec(Buffer.from(text).toString('latin1')) ?? [];
  if (block === undefined || label === undefined) throw invalidKey(path, 'there is no private key in it');
  if (label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type: *4, *ENCRYPTED/m.test(block)) throw encrypted(path);
  if (label === 'DSA PRIVATE KEY') throw otherKind(path, 'DSA');
  const key = label === 'OPENSSH PRIVATE KEY' ? openSshKey(block, path) : pemKey(block, path);
  return agentKey(key, path);
}

function pemKey(block: string, path: string): KeyObject {
  try {
    return createPrivateKey({ key: block, format: 'pem' });
  } catch {
    throw invalidKey(path, 'its private key is malformed');
  }
}

function openSshKey(block: string, path: string): KeyObject {
  const base64 = block.replace(/-----[^-]*-----/g, '');
  const read = readOpenSshKey(Buffer.from(base64, 'base64'));
  switch (read.kind) {
    case 'encrypted':
      throw encrypted(path);
    case 'unsupported':
      throw otherKind(path, read.type);
    case 'malformed':
      throw invalidKey(path, 'its private key is malformed');
    case 'key': {
      const { key } = read;
      // Else a client would be told of a key that cannot sign for it.
      if (!read.blob.equals(agentKey(key, path).blob)) throw invalidKey(path, 'its private key is malformed');
      return key;
    }
  }
}

function agentKey(key: KeyObject, path: string): AgentKey {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return rsaKey(key);
    case 'ed25519':
      return ed25519Key(key);
    case 'ec': {
      const jwk = publicJwk(key);
      const curve = CURVES[jwk.crv ?? ''];
      if (curve === undefined) throw otherKind(path, `ECDSA on the curve "${jwk.crv}"`);
      return ecdsaKey(key, jwk, curve);
    }
    default:
      throw otherKind(path, String(key.asymmetricKeyType));
  }
}

function rsaKey(key: KeyObject): AgentKey {
  const { e, n } = publicJwk(key);
  return {
    blob: Buffer.concat([wireString('ssh-rsa'), wireMpint(bytesOf(e)), wireMpint(bytesOf(n))]),
    sign: (data, flags) => {
      let [algorithm, hash] = ['ssh-rsa', 'sha1'];
      if ((flags & RSA_SHA2_256) !== 0) [algorithm, hash] = ['rsa-sha2-256', 'sha256'];
      else if ((flags & RSA_SHA2_512) !== 0) [algorithm, hash] = ['rsa-sha2-512', 'sha512'];
      return Buffer.concat([wireString(algorithm), wireString(sign(hash, data, key))]);
    },
  };
}

function ed25519Key(key: KeyObject): AgentKey {
  const type = wireString('ssh-ed25519');
  return {
    blob: Buffer.concat([type, wireString(bytesOf(publicJwk(key).x))]),
    sign: (data) => Buffer.concat([type, wireString(sign(null, data, key))]),
  };
}

function ecdsaKey(key: KeyObject, { x, y }: JsonWebKey, { name, hash }: { name: string; hash: string }): AgentKey {
  const type = wireString(`ecdsa-sha2-${name}`);
  const point = Buffer.concat([Uint8Array.of(4), bytesOf(x), bytesOf(y)]);
  return {
    blob: Buffer.concat([type, wireString(name), wireString(point)]),
    sign: (data) => {
      const both = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
      const [r, s] = [both.subarray(0, both.length / 2), both.subarray(both.length / 2)];
      return Buffer.concat([type, wireString(Buffer.concat([wireMpint(r), wireMpint(s)]))]);
    },
  };
}

function publicJwk(key: KeyObject): JsonWebKey {
  return createPublicKey(key).export({ format: 'jwk' });
}

function bytesOf(number: string | undefined): Buffer {
  if (number === undefined) throw new Error('a key without one of its numbers');
  return Buffer.from(number, 'base64url');
}

function encrypted(path: string): BuildError {
  return new BuildError('unsupported', `Cannot use the key "${path}": it is protected by a passphrase`, {
    hint: `load it into an agent: eval "$(ssh-agent)" && ssh-add ${path}, then pass that agent, which is $SSH_AUTH_SOCK, with --ssh default`,
  });
}

function otherKind(path: string, kind: string): BuildError {
  return new BuildError('unsupported', `Cannot use the key "${path}": ${kind} is not among RSA, ECDSA and Ed25519`);
}

function invalidKey(path: string, why: string): BuildError {
  return new BuildError('usage', `Cannot use the key "${path}": ${why}`, {
    hint: 'name a private key in the format of OpenSSH or PEM, or the socket of an agent',
  });
}
