/**
 * Files by HTTP: downloaded once, kept as blobs, and asked for again only as far as the server says that they have changed.
 *
 * What is known of a URL is a small file in `dir`: the blob, and what a conditional request needs (RFC 9110, 13).
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Digest } from '../core/digest.ts';
import { digestOf, hexOf, isDigest } from '../core/digest.ts';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { withoutPassword } from '../core/redact.ts';
import { storeError } from '../core/store-errors.ts';
import type { SecretLookup } from './credentials.ts';
import { basic, httpAuthorization } from './credentials.ts';

/** One exchange; redirects and tries are the caller's. The registry's client fulfils it. */
export interface HttpSender {
  request(request: {
    readonly method: 'GET';
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  }): Promise<HttpAnswer>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read to the end or destroyed. */
  readonly body: Readable;
}

/** As much of the content store as downloads need. */
export interface BlobSink {
  has(digest: Digest): Promise<boolean>;
  write(
    source: AsyncIterable<Uint8Array>,
    expected: { readonly digest: Digest } | undefined,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (currentBytes: number) => void },
  ): Promise<{ readonly digest: Digest; readonly sizeBytes: number }>;
}

export interface HttpSourceDeps {
  readonly dir: string;
  readonly sender: () => Promise<HttpSender>;
  readonly blobs: BlobSink;
  /** Where credentials may be; default: there are none but those of URLs. */
  readonly secret?: SecretLookup;
  /** Milliseconds to wait before another try; default: as said. */
  readonly pause?: (ms: number) => Promise<void>;
}

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** What the file must be. Where it is at hand, nothing is asked for. */
  readonly checksum?: Digest;
  readonly onProgress?: (currentBytes: number, totalBytes: number | undefined) => void;
  /** Default: 32 GiB. */
  readonly maxBytes?: number;
}

/** A file whose bytes are a blob. */
export interface Download {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Seconds since 1970 of Last-Modified; 0 where the server does not say. */
  readonly modifiedAt: number;
}

interface Known extends Download {
  readonly url: string;
  readonly etag?: string;
  readonly lastModified?: string;
}

const MAX_BYTES = 32 * 2 ** 30;
const MAX_REDIRECTS = 10;
const MAX_ATTEMPTS = 3;
const FIRST_PAUSE_MS = 300;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const PASSING_STATUS = new Set([408, 429, 502, 503, 504]);
const PASSING_ERRORS = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN']);

export class HttpSource {
  readonly #deps: HttpSourceDeps;

  constructor(deps: HttpSourceDeps) {
    this.#deps = deps;
  }

  /** The file at `url` as it is now. Throws `download-failed`, `checksum-mismatch`, `limit-exceeded` and `cancelled`. */
  async fetch(url: string, options: DownloadOptions): Promise<Download> {
    const known = await this.#known(url);
    const { checksum } = options;
    if (known !== undefined && checksum !== undefined && known.digest === checksum) return known;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(url, known, options);
      } catch (error) {
        throwIfAborted(options.signal);
        if (!(error instanceof Passing)) throw error;
        if (attempt >= MAX_ATTEMPTS) throw error.failure;
      }
      await (this.#deps.pause ?? pauseFor)(FIRST_PAUSE_MS * attempt);
      throwIfAborted(options.signal);
    }
  }

  async #attempt(url: string, known: Known | undefined, options: DownloadOptions): Promise<Download> {
    const answer = await this.#follow(url, conditions(known), options.signal);
    try {
      if (answer.status === 304 && known !== undefined) return checked(url, known, options.checksum);
      if (answer.status !== 200) {
        const failure = refused(url, answer.status);
        throw PASSING_STATUS.has(answer.status) ? new Passing(failure) : failure;
      }
      return await this.#store(url, answer, options);
    } finally {
      answer.body.destroy();
    }
  }

  async #store(url: string, { headers, body }: HttpAnswer, options: DownloadOptions): Promise<Download> {
    const { signal, onProgress, maxBytes = MAX_BYTES } = options;
    const announced = headers['content-length'];
    const total = announced === undefined ? undefined : Number(announced);
    if (total !== undefined && total > maxBytes) throw tooLarge(url, maxBytes);
    const { digest, sizeBytes } = await this.#deps.blobs.write(bounded(url, body, maxBytes, signal), undefined, {
      signal,
      onProgress: (current) => onProgress?.(current, total),
    });
    if (total !== undefined && total !== sizeBytes) throw failed(url, `${sizeBytes} of ${total} bytes have come`);
    const { etag, 'last-modified': lastModified } = headers;
    const seconds = lastModified === undefined ? Number.NaN : Math.floor(Date.parse(lastModified) / 1000);
    const found: Known = {
      url,
      digest,
      sizeBytes,
      modifiedAt: Number.isNaN(seconds) ? 0 : seconds,
      ...(etag !== undefined && { etag }),
      ...(lastModified !== undefined && { lastModified }),
    };
    checked(url, found, options.checksum);
    this.#remember(found);
    return found;
  }

  async #follow(first: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpAnswer> {
    const sender = await this.#deps.sender();
    let url = new URL(first);
    let secret = this.#deps.secret && httpAuthorization(url, this.#deps.secret);
    for (let count = 0; ; count++) {
      const answer = await sender
        .request({
          method: 'GET',
          url: withoutUser(url),
          headers: { ...headers, ...authorization(url, secret) },
          signal,
        })
        .catch((error: unknown) => {
          throw noAnswer(first, error);
        });
      const { location } = answer.headers;
      if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      if (count >= MAX_REDIRECTS) throw failed(first, `there are more than ${MAX_REDIRECTS} redirects`);
      const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
      if (next?.protocol !== 'http:' && next?.protocol !== 'https:') {
        throw failed(first, `it is redirected to "${withoutPassword(location)}", which is neither http nor https`);
      }
      if (!isSameServer(url, next)) secret = undefined;
      url = next;
    }
  }

  /** What is remembered, if the blob is still there; then it counts as used now. */
  async #known(url: string): Promise<Known | undefined> {
    const known = parseKnown(readIfThere(this.#pathOf(url)), url);
    return known !== undefined && (await this.#deps.blobs.has(known.digest)) ? known : undefined;
  }

  #remember(known: Known): void {
    const path = this.#pathOf(known.url);
    const temporary = `${path}.${randomBytes(8).toString('hex')}`;
    try {
      mkdirSync(this.#deps.dir, { recursive: true, mode: 0o700 });
      writeFileSync(temporary, JSON.stringify({ ...known, url: withoutPassword(known.url) }), {
        flag: 'wx',
        mode: 0o600,
      });
      renameSync(temporary, path);
    } catch (error) {
      throw storeError(error, path);
    }
  }

  #pathOf(url: string): string {
    return join(this.#deps.dir, `${hexOf(digestOf(url))}.json`);
  }
}

function conditions(known: Known | undefined): Record<string, string> {
  const common = { 'user-agent': 'tsbuild', 'accept-encoding': 'identity', accept: '*/*' };
  if (known?.etag !== undefined) return { ...common, 'if-none-match': known.etag };
  if (known?.lastModified !== undefined) return { ...common, 'if-modified-since': known.lastModified };
  return common;
}

function withoutUser(url: URL): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  return bare;
}

/** A secret goes before what the URL says. Those of a URL belong to it, and are not carried along by redirects. */
function authorization(url: URL, secret: string | undefined): Record<string, string> {
  if (secret !== undefined) return { authorization: secret };
  return url.username === '' && url.password === '' ? {} : { authorization: basic(url) };
}

/** Whether what one address may know can be told to the other: the same server, or the same host where it asks for encryption. */
function isSameServer(from: URL, to: URL): boolean {
  if (from.host === to.host && from.protocol === to.protocol) return true;
  return from.hostname === to.hostname && from.port === '' && to.port === '' && to.protocol === 'https:';
}

async function* bounded(
  url: string,
  body: Readable,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sizeBytes = 0;
  try {
    for await (const chunk of body) {
      sizeBytes += (chunk as Buffer).length;
      if (sizeBytes > maxBytes) throw tooLarge(url, maxBytes);
      yield chunk as Buffer;
    }
  } catch (error) {
    throwIfAborted(signal);
    throw error instanceof BuildError ? error : new Passing(failed(url, 'the connection broke off', error));
  }
}

function checked(url: string, found: Known, checksum: Digest | undefined): Known {
  if (checksum === undefined || found.digest === checksum) return found;
  throw new BuildError(
    'checksum-mismatch',
    `Cannot use "${withoutPassword(url)}": its checksum is "${found.digest}" instead of "${checksum}"`,
  );
}

/** A failure that may have passed a little later. */
class Passing extends Error {
  readonly failure: BuildError;

  constructor(failure: BuildError) {
    super(failure.message, { cause: failure });
    this.failure = failure;
  }
}

function noAnswer(url: string, error: unknown): unknown {
  if (error instanceof BuildError) return error;
  const code = errnoOf(error);
  const failure = failed(url, reasonOf(error, code), error);
  return code !== undefined && PASSING_ERRORS.has(code) ? new Passing(failure) : failure;
}

function reasonOf(error: unknown, code: string | undefined): string {
  if (code !== undefined) return `the host cannot be reached (${code})`;
  return error instanceof Error ? error.message : String(error);
}

function failed(url: string, why: string, cause?: unknown): BuildError {
  return new BuildError('download-failed', `Cannot download "${withoutPassword(url)}": ${why}`, { cause });
}

function refused(url: string, status: number): BuildError {
  const failure = failed(url, `the server answers ${status}`);
  if (status !== 401 && status !== 403) return failure;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return new BuildError(failure.code, failure.message, {
    hint: `give credentials with --secret id=HTTP_AUTH_TOKEN_${host},env=VARIABLE`,
  });
}

function tooLarge(url: string, maxBytes: number): BuildError {
  return new BuildError(
    'limit-exceeded',
    `Cannot download "${withoutPassword(url)}": it is larger than ${maxBytes} bytes`,
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A file that was cut off, or that another version wrote, counts as none. */
function parseKnown(text: string | undefined, url: string): Known | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? 'null');
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { url: written, digest, sizeBytes, modifiedAt, etag, lastModified } = value as Record<string, unknown>;
  if (written !== withoutPassword(url) || typeof digest !== 'string' || !isDigest(digest)) return undefined;
  if (!Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(modifiedAt)) return undefined;
  return {
    url,
    digest,
    sizeBytes: sizeBytes as number,
    modifiedAt: modifiedAt as number,
    ...(typeof etag === 'string' && { etag }),
    ...(typeof lastModified === 'string' && { lastModified }),
  };
}

function pauseFor(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
