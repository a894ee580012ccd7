/** A blob's bytes over connections that may break: what is missing is asked for again, from where the last one ended. */
import type { Digest } from '../core/digest.ts';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { badRange, downloadFailed } from './errors.ts';
import type { HttpResponse } from './http.ts';
import type { Transport } from './transport.ts';
import { release } from './transport.ts';

export interface DownloadOptions {
  readonly digest: Digest;
  /** In bytes, as announced. */
  readonly sizeBytes: number;
  /** For errors: `layer "sha256:..."`. */
  readonly what: string;
  readonly transport: Transport;
  readonly signal?: AbortSignal | undefined;
  /** Asks for the bytes from `offset` on; status 200 (everything) or 206 (what was asked for). */
  readonly request: (offset: number) => Promise<HttpResponse>;
}

/** Connections in a row that bring nothing. */
const MAX_FRUITLESS = 5;

/**
 * The bytes, as many as announced, or one more than that when the other side does not stop. The digest is the reader's to check.
 * Throws `download-failed` when nothing more comes.
 */
export async function* downloadBlob(options: DownloadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { sizeBytes, transport, signal } = options;
  let received = 0;
  let fruitless = 0;
  for (;;) {
    const before = received;
    const response = await options.request(received);
    let cause: unknown;
    try {
      let skip = skippedBytes(response, received, options);
      for await (const chunk of response.body) {
        const bytes = (chunk as Buffer).subarray(skip);
        skip -= (chunk as Buffer).length - bytes.length;
        if (bytes.length === 0) continue;
        received += bytes.length;
        yield bytes;
      }
    } catch (error) {
      throwIfAborted(signal);
      if (error instanceof BuildError) throw error;
      cause = error;
    } finally {
      response.body.destroy();
    }
    if (received >= sizeBytes) return;
    fruitless = received > before ? 0 : fruitless + 1;
    if (fruitless >= MAX_FRUITLESS) throw downloadFailed(options.what, response.url, received, sizeBytes, cause);
    await transport.pause(transport.backoffMs(fruitless + 1), signal);
  }
}

/** How many bytes of the response are already here: none where the registry knows ranges. */
function skippedBytes(response: HttpResponse, offset: number, options: DownloadOptions): number {
  if (response.status === 200) return offset;
  const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
  if (start !== undefined && Number(start) === offset) return 0;
  release(response);
  throw badRange(options.what, response.url);
}
