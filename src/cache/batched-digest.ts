/** SHA-256 of many short fields. */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { Digest } from '../core/digest.ts';
import { digestOfHash } from '../core/digest.ts';
import { encodePath } from '../core/path-bytes.ts';

const BATCH_CHARACTERS = 64 * 1024;

/** A digest that is updated in large pieces, because each update costs more than an entry. */
export class BatchedDigest {
  readonly #hash: Hash = createHash('sha256');
  #batch = '';

  add(fields: string): void {
    this.#batch += fields;
    if (this.#batch.length > BATCH_CHARACTERS) this.#flush();
  }

  end(): Digest {
    this.#flush();
    return digestOfHash(this.#hash);
  }

  #flush(): void {
    this.#hash.update(encodePath(this.#batch));
    this.#batch = '';
  }
}
