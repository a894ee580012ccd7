/** The container of private keys that ssh-keygen writes (OpenSSH's PROTOCOL.key), as far as it is not encrypted. */
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createPrivateKey } from 'node:crypto';
import { WireReader, withoutZeros } from './ssh-wire.ts';

export type OpenSshKey =
  /** `blob` is the public key as the container has it. */
  | { readonly kind: 'key'; readonly key: KeyObject; readonly blob: Buffer }
  | { readonly kind: 'encrypted' }
  /** Of a type that is none of RSA, ECDSA and Ed25519, such as one that is in a token. */
  | { readonly kind: 'unsupported'; readonly type: string }
  | { readonly kind: 'malformed' };

const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');

/** By the curve's name in SSH: that in JWK, and how long its numbers are. */
const CURVES: Readonly<Record<string, { readonly crv: string; readonly sizeBytes: number }>> = {
  nistp256: { crv: 'P-256', sizeBytes: 32 },
  nistp384: { crv: 'P-384', sizeBytes: 48 },
  nistp521: { crv: 'P-521', sizeBytes: 66 },
};

/** Reads the bytes that are in base64 between the lines of BEGIN and END. */
export function readOpenSshKey(bytes: Buffer): OpenSshKey {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { kind: 'malformed' };
  try {
    return readContainer(new WireReader(bytes.subarray(MAGIC.length)));
  } catch {
    // Bytes that end early, and numbers that Node refuses. What they say could tell of the key.
    return { kind: 'malformed' };
  }
}

function readContainer(container: WireReader): OpenSshKey {
  const cipher = container.text();
  const kdf = container.text();
  container.string();
  if (cipher !== 'none' || kdf !== 'none') return { kind: 'encrypted' };
  if (container.uint32() !== 1) return { kind: 'malformed' };
  const blob = container.string();
  const fields = new WireReader(container.string());
  // Twice the same number tells that decryption was right.
  if (fields.uint32() !== fields.uint32()) return { kind: 'malformed' };
  const type = fields.text();
  const jwk = readFields(type, fields);
  if (jwk === undefined) return { kind: 'unsupported', type };
  return { kind: 'key', key: createPrivateKey({ key: jwk, format: 'jwk' }), blob };
}

function readFields(type: string, fields: WireReader): JsonWebKey | undefined {
  switch (type) {
    case 'ssh-rsa': {
      const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => fields.string());
      if (!n || !e || !d || !qi || !p || !q) return undefined;
      const numbers = { n, e, d, p, q, dp: remainder(d, p), dq: remainder(d, q), qi };
      const encoded = Object.entries(numbers).map(([name, bytes]) => [name, encode(withoutZeros(bytes))]);
      return { kty: 'RSA', ...(Object.fromEntries(encoded) as Record<string, string>) };
    }
    case 'ssh-ed25519': {
      const x = fields.string();
      const seed = fields.string().subarray(0, 32);
      return { kty: 'OKP', crv: 'Ed25519', x: encode(x), d: encode(seed) };
    }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521': {
      const curve = CURVES[fields.text()];
      if (curve === undefined) return undefined;
      const { crv, sizeBytes } = curve;
      // 4, then both coordinates.
      const point = fields.string().subarray(1);
      const d = withoutZeros(fields.string());
      const padded = Buffer.concat([Buffer.alloc(Math.max(sizeBytes - d.length, 0)), d]);
      return {
        kty: 'EC',
        crv,
        x: encode(point.subarray(0, sizeBytes)),
        y: encode(point.subarray(sizeBytes)),
        d: encode(padded),
      };
    }
    default:
      return undefined;
  }
}

/** Of the private exponent by one prime less one, which the container leaves out. */
function remainder(exponent: Buffer, prime: Buffer): Buffer {
  const hex = (toBigInt(exponent) % (toBigInt(prime) - 1n)).toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
