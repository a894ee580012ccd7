/** Checking bytes against what they were promised to be, while they stream. */
import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { digestOfHash } from '../core/digest.ts';
import type { Digest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import type { ExpectedBlob, StoredBlob } from './types.ts';

/** Takes in a blob's bytes in order; `finish` says what they were, or throws when they were not what was expected. */
export class BlobVerifier {
  readonly #expected: ExpectedBlob | undefined;
  readonly #hash: Hash = createHash('sha256');
  #sizeBytes = 0;

  constructor(expected: ExpectedBlob | undefined) {
    this.#expected = expected;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Throws `size-mismatch` as soon as there are more bytes than expected. */
  update(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.length;
    const want = this.#expected?.sizeBytes;
    if (this.#expected !== undefined && want !== undefined && this.#sizeBytes > want) {
      throw tooLong(this.#expected.digest, want);
    }
    this.#hash.update(chunk);
  }

  /** Throws `size-mismatch` or `digest-mismatch`. */
  finish(): StoredBlob {
    const expected = this.#expected;
    const sizeBytes = this.#sizeBytes;
    if (expected?.sizeBytes !== undefined && sizeBytes < expected.sizeBytes) {
      throw tooShort(expected.digest, expected.sizeBytes, sizeBytes);
    }
    const digest = digestOfHash(this.#hash);
    if (expected !== undefined && digest !== expected.digest) throw otherContent(expected.digest, digest);
    return { digest, sizeBytes };
  }
}

/** The chunks of `source`, ending in an error instead of an end when they are not the expected blob. */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedBlob,
): AsyncGenerator<Uint8Array, void, undefined> {
  const verifier = new BlobVerifier(expected);
  for await (const chunk of source) {
    verifier.update(chunk);
    yield chunk;
  }
  verifier.finish();
}

function tooLong(digest: Digest, want: number): BuildError {
  return new BuildError('size-mismatch', `Blob "${digest}" is longer than the ${want} bytes it was announced with`);
}

function tooShort(digest: Digest, want: number, got: number): BuildError {
  return new BuildError(
    'size-mismatch',
    `Blob "${digest}" has ${got} bytes instead of the ${want} it was announced with`,
  );
}

function otherContent(want: Digest, got: Digest): BuildError {
  return new BuildError(
    'digest-mismatch',
    `Content of blob "${want}" is not what was announced: its digest is "${got}"`,
  );
}
