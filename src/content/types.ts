/**
 * The content store: immutable blobs by digest, in the directory form of an OCI image layout (`blobs/sha256/<hex>`).
 *
 * A blob is written to a temporary name, checked against its digest and size, made durable and renamed; so a blob that can be seen is
 * whole. Writing the same blob twice, also from two processes, is harmless.
 */
import type { Readable } from 'node:stream';
import type { Digest } from '../core/digest.ts';

export interface ExpectedBlob {
  readonly digest: Digest;
  /** In bytes, when known. */
  readonly sizeBytes?: number;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface ListedBlob extends StoredBlob {
  /** When the blob was written, or `has`, `write` or `put` last found it here already. */
  readonly modifiedAtMs: number;
}

export interface WriteBlobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (currentBytes: number) => void;
}

export interface ContentStore {
  /** Whether the blob is here; if so, it counts as used now, for a caller that relies on it to stay. */
  has(digest: Digest): Promise<boolean>;
  /** Only looks. */
  stat(digest: Digest): Promise<StoredBlob | undefined>;
  /** Throws `store-corrupt` if the blob is missing. The caller destroys the stream. */
  open(digest: Digest): Promise<Readable>;
  /** Where the blob is, for whoever can read files of the host; not in a store that has none. */
  fileOf?(digest: Digest): string;
  /** A small blob as a whole, checked against its digest; throws `limit-exceeded` over `maxBytes` (default 8 MiB). */
  read(digest: Digest, maxBytes?: number): Promise<Buffer>;
  /** Stores `source`; rejects with `digest-mismatch` or `size-mismatch`, and then keeps nothing. */
  write(
    source: AsyncIterable<Uint8Array>,
    expected: ExpectedBlob | undefined,
    options?: WriteBlobOptions,
  ): Promise<StoredBlob>;
  /** Stores bytes that are at hand. */
  put(bytes: Uint8Array): Promise<StoredBlob>;
  remove(digest: Digest): Promise<void>;
  list(): AsyncIterable<ListedBlob>;
}
