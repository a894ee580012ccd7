/** Requests with patience: tries again what may pass, follows redirects without carrying credentials to another host. */
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { badRedirect, tooLong, unreachable } from './errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from './http.ts';
import { isLoopback } from './http.ts';

export interface TransportOptions {
  readonly http: HttpClient;
  /** Settles after `ms`, or rejects with `cancelled`. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** From 0 up to 1; spreads the waiting times. */
  readonly random?: () => number;
  readonly now?: () => number;
}

const MAX_ATTEMPTS = 5;
const MAX_REDIRECTS = 10;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 10_000;
/** A registry that wants us to wait longer than this gets its error shown instead. */
const MAX_RETRY_AFTER_MS = 60_000;

const RETRIED_STATUS = new Set([408, 429, 500, 502, 503, 504]);
/** What may pass, and how often it is worth a try: a machine without a network says so at once, and its user should not wait long. */
const ATTEMPTS: Readonly<Record<string, number>> = {
  ECONNRESET: MAX_ATTEMPTS,
  EPIPE: MAX_ATTEMPTS,
  ETIMEDOUT: MAX_ATTEMPTS,
  EAI_AGAIN: 2,
  ENETUNREACH: 2,
  EHOSTUNREACH: 2,
};
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export class Transport {
  readonly #http: HttpClient;
  readonly #sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  readonly #random: () => number;
  readonly #now: () => number;

  constructor(options: TransportOptions) {
    this.#http = options.http;
    this.#sleep = options.sleep ?? sleepFor;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
  }

  /** The answer, whatever its status; of one that asks for another try, the last. Throws `registry-unreachable` or `cancelled`. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= MAX_ATTEMPTS;
      let waitMs = this.backoffMs(attempt);
      try {
        const response = await this.#follow(request);
        if (last || !RETRIED_STATUS.has(response.status)) return response;
        const askedMs = this.#retryAfterMs(response);
        if (askedMs !== undefined && askedMs > MAX_RETRY_AFTER_MS) return response;
        waitMs = Math.max(waitMs, askedMs ?? 0);
        release(response);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (attempt >= attemptsFor(error.cause)) throw unreachable(error.url, error.cause);
      }
      await this.pause(waitMs, request.signal);
    }
  }

  /** One request without another try; for finding out what a host speaks. */
  sendOnce(request: HttpRequest): Promise<HttpResponse> {
    return this.#http.request(request);
  }

  /** How long to wait after the `attempt`th failure (from 1). */
  backoffMs(attempt: number): number {
    const ceiling = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
    return Math.round(ceiling * (0.5 + this.#random() / 2));
  }

  async pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    await this.#sleep(ms, signal);
    throwIfAborted(signal);
  }

  async #follow(first: HttpRequest): Promise<HttpResponse> {
    let request = first;
    for (let count = 0; ; count++) {
      const response = await this.#ask(request);
      const { location } = response.headers;
      if (!REDIRECTS.has(response.status) || location === undefined) return response;
      release(response);
      if (count >= MAX_REDIRECTS) throw badRedirect(first.url, `there are more than ${MAX_REDIRECTS}`);
      request = redirected(request, location);
    }
  }

  async #ask(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#http.request(request);
    } catch (error) {
      throw error instanceof BuildError ? error : new NoAnswer(request.url, error);
    }
  }

  /** In seconds or as a date (RFC 9110, 10.2.3). */
  #retryAfterMs(response: HttpResponse): number | undefined {
    const text = response.headers['retry-after'];
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text)) return Number(text) * 1000;
    const date = Date.parse(text);
    return Number.isNaN(date) ? undefined : Math.max(0, date - this.#now());
  }
}

function redirected(request: HttpRequest, location: string): HttpRequest {
  const url = URL.canParse(location, request.url.href) ? new URL(location, request.url.href) : undefined;
  if (url === undefined) throw badRedirect(request.url, 'it leads to what is not an address');
  if (
    url.protocol !== 'https:' &&
    !(url.protocol === 'http:' && isLoopback(url.host) && isLoopback(request.url.host))
  ) {
    throw badRedirect(request.url, `it leads to "${url.protocol}//${url.host}", which is not encrypted`);
  }
  if (url.origin === request.url.origin) return { ...request, url };
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  );
  return { ...request, url, headers };
}

/** A request without a response, and where it went after redirects. */
class NoAnswer extends Error {
  readonly url: URL;

  constructor(url: URL, cause: unknown) {
    super(`No answer from "${url.host}"`, { cause });
    this.url = url;
  }
}

function attemptsFor(error: unknown): number {
  return ATTEMPTS[errnoOf(error) ?? ''] ?? 1;
}

/** Whether the same request may succeed a little later. */
export function isPassing(error: unknown): boolean {
  return attemptsFor(error) > 1;
}

/** The whole body; throws `limit-exceeded` over `maxBytes`. `what` names it in errors. */
export async function readBody(response: HttpResponse, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > maxBytes) throw tooLong(what, response.url, maxBytes);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

const MAX_DRAINED_BYTES = 64 * 1024;

/** Lets go of a response whose body nobody wants, keeping the connection where the rest is short. */
export function release(response: HttpResponse): void {
  const length = response.headers['content-length'];
  if (length !== undefined && Number(length) <= MAX_DRAINED_BYTES) response.body.resume();
  else response.body.destroy();
}

function sleepFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new BuildError('cancelled', 'The operation was cancelled', { cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
