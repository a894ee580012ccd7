/** One registry: where it is, and its answers as documents and blobs or as errors (distribution-spec, "Pull"). */
import { BuildError, errnoOf } from '../core/errors.ts';
import type { Digest } from '../core/digest.ts';
import type { Authenticator } from './auth.ts';
import { badStatus, denied, notFound, tooManyRequests, unreachable } from './errors.ts';
import type { HttpResponse } from './http.ts';
import { isLoopback } from './http.ts';
import { isPassing, readBody, release } from './transport.ts';
import type { Transport } from './transport.ts';

export interface RequestOptions {
  /** What is fetched, for errors: `image "alpine:latest"`. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** Docker Hub's names are not those of its registry. */
const HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };
const MAX_ERROR_BYTES = 64 * 1024;

export class RegistryClient {
  readonly #domain: string;
  readonly #transport: Transport;
  readonly #auth: Authenticator;
  #base: Promise<URL> | undefined;

  constructor(domain: string, transport: Transport, auth: Authenticator) {
    this.#domain = domain;
    this.#transport = transport;
    this.#auth = auth;
  }

  /** A manifest's response under a tag or digest; status 200. Throws `registry-*`. */
  manifest(
    method: 'GET' | 'HEAD',
    repository: string,
    tagOrDigest: string,
    accept: string,
    options: RequestOptions,
  ): Promise<HttpResponse> {
    return this.#request(method, repository, `manifests/${tagOrDigest}`, { accept }, options);
  }

  /** A blob's bytes from `offset` on; status 200 or, where the registry knows ranges, 206. Throws `registry-*`. */
  blob(repository: string, digest: Digest, offset: number, options: RequestOptions): Promise<HttpResponse> {
    return this.#request('GET', repository, `blobs/${digest}`, rangeFrom(offset), options);
  }

  async #request(
    method: 'GET' | 'HEAD',
    repository: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    options: RequestOptions,
  ): Promise<HttpResponse> {
    const base = await this.#locate(options.signal);
    const url = new URL(`/v2/${repository}/${path}`, base);
    const scope = `repository:${repository}:pull`;
    const { what, signal } = options;
    const send = (authorization: string | undefined): Promise<HttpResponse> =>
      this.#transport.send({
        method,
        url,
        headers: { ...headers, ...(authorization !== undefined && { authorization }) },
        signal,
      });

    let response = await send(this.#auth.known(this.#domain, scope));
    const challenge = response.headers['www-authenticate'];
    // A blob's storage may have challenges of its own, which are none of the registry's.
    if (response.status === 401 && challenge !== undefined && response.url.origin === url.origin) {
      release(response);
      this.#auth.forget(this.#domain, scope);
      response = await send(await this.#auth.answer({ domain: this.#domain, scope, url, what, signal }, challenge));
    }
    if (response.status === 200 || response.status === 206) return response;
    throw await failure(response, what);
  }

  /** The registry's address, found out once; again after a failure. */
  #locate(signal: AbortSignal | undefined): Promise<URL> {
    this.#base ??= this.#findBase(signal).catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    return this.#base;
  }

  /**
   * HTTPS, always, except on this machine, where either is possible. Plain HTTP is tried first there: a server that expects TLS answers
   * it at once, in one way or another, but one that doesn't may wait for ever for the rest of a TLS handshake.
   */
  async #findBase(signal: AbortSignal | undefined): Promise<URL> {
    const host = HOSTS[this.#domain] ?? this.#domain;
    const secure = new URL(`https://${host}`);
    if (!isLoopback(host)) return secure;
    const plain = new URL(`http://${host}`);
    try {
      const response = await this.#transport.sendOnce({
        method: 'GET',
        url: new URL('/v2/', plain),
        headers: {},
        signal,
      });
      response.body.destroy();
      return response.status === 400 ? secure : plain;
    } catch (error) {
      if (error instanceof BuildError) throw error;
      if (isPassing(error) || errnoOf(error)?.startsWith('HPE_') === true) return secure;
      throw unreachable(plain, error);
    }
  }
}

export function rangeFrom(offset: number): Record<string, string> {
  return offset === 0 ? {} : { range: `bytes=${offset}-` };
}

/** What a status other than 200 and 206 means. */
export async function failure(response: HttpResponse, what: string): Promise<BuildError> {
  const { status, url } = response;
  const detail = await errorDetail(response);
  if (status === 401 || status === 403) return denied(what, url, detail);
  if (status === 404) return notFound(what, url, detail);
  if (status === 429) return tooManyRequests(what, url, detail);
  return badStatus(what, url, status, detail);
}

/** The registry's own message (distribution-spec, "Error Codes"), if there is one. */
async function errorDetail(response: HttpResponse): Promise<string | undefined> {
  let value: unknown;
  try {
    value = JSON.parse((await readBody(response, MAX_ERROR_BYTES, 'an error')).toString());
  } catch {
    // Not JSON, too long, broken off: the status has to do.
    response.body.destroy();
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('errors' in value) || !Array.isArray(value.errors))
    return undefined;
  const [first] = value.errors as unknown[];
  if (typeof first !== 'object' || first === null) return undefined;
  const message = 'message' in first && typeof first.message === 'string' ? first.message : '';
  const code = 'code' in first && typeof first.code === 'string' ? first.code : '';
  return message === '' ? code : message;
}
