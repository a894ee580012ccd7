/** A content store in memory, for tests that are about something else. */
import { Readable } from 'node:stream';
import { abortable, discard } from '../../src/content/abortable.ts';
import { DEFAULT_MAX_READ_BYTES, missing, tooLarge } from '../../src/content/fs-store.ts';
import type { ContentStore } from '../../src/content/types.ts';
import { BlobVerifier } from '../../src/content/verify.ts';
import type { Digest } from '../../src/core/digest.ts';
import { digestOf } from '../../src/core/digest.ts';

export function memoryContent(): ContentStore & { readonly blobs: Map<Digest, Buffer> } {
  const blobs = new Map<Digest, Buffer>();
  function get(digest: Digest): Buffer {
    const bytes = blobs.get(digest);
    if (bytes === undefined) throw missing(digest);
    return bytes;
  }
  return {
    blobs,
    has: async (digest) => blobs.has(digest),
    stat: async (digest) => {
      const bytes = blobs.get(digest);
      return bytes && { digest, sizeBytes: bytes.length };
    },
    open: async (digest) => Readable.from([get(digest)]),
    read: async (digest, maxBytes = DEFAULT_MAX_READ_BYTES) => {
      const bytes = get(digest);
      if (bytes.length > maxBytes) throw tooLarge(digest, bytes.length, maxBytes);
      return bytes;
    },
    write: async (source, expected, { signal, onProgress } = {}) => {
      const stored = expected && blobs.get(expected.digest);
      if (stored !== undefined) {
        await discard(source);
        return { digest: expected!.digest, sizeBytes: stored.length };
      }
      const verifier = new BlobVerifier(expected);
      const parts: Uint8Array[] = [];
      for await (const chunk of abortable(source, signal)) {
        verifier.update(chunk);
        parts.push(chunk);
        onProgress?.(verifier.sizeBytes);
      }
      const blob = verifier.finish();
      blobs.set(blob.digest, Buffer.concat(parts));
      return blob;
    },
    put: async (bytes) => {
      const digest = digestOf(bytes);
      blobs.set(digest, Buffer.from(bytes));
      return { digest, sizeBytes: bytes.length };
    },
    remove: async (digest) => void blobs.delete(digest),
    list: async function* () {
      for (const [digest, bytes] of blobs) yield { digest, sizeBytes: bytes.length, modifiedAtMs: 0 };
    },
  };
}
