/**
 * Answering a registry's challenge (distribution-spec, and Docker's token protocol): a bearer token from the server that the registry
 * names, anonymous unless credentials are given; or Basic.
 */
import { SharedWork } from '../core/shared-work.ts';
import { badToken, badTokenRealm, denied, loginNeeded } from './errors.ts';
import { isLoopback } from './http.ts';
import type { Transport } from './transport.ts';
import { readBody, release } from './transport.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Credentials for a registry's host, if there are any. */
export type CredentialsLookup = (domain: string) => Promise<Credentials | undefined>;

export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export interface AuthRequest {
  readonly domain: string;
  /** `repository:library/alpine:pull`. */
  readonly scope: string;
  /** Where the challenge came from, and what was wanted there; for errors. */
  readonly url: URL;
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

interface Token {
  readonly header: string;
  readonly expiresAtMs: number;
}

const MAX_TOKEN_BYTES = 1024 * 1024;
/** What a server grants at least, and grants when it doesn't say. */
const MIN_LIFETIME_S = 60;

export interface AuthenticatorOptions {
  readonly transport: Transport;
  readonly credentials?: CredentialsLookup;
  readonly now?: () => number;
}

export class Authenticator {
  readonly #transport: Transport;
  readonly #credentials: CredentialsLookup;
  readonly #now: () => number;
  readonly #tokens = new Map<string, Token>();
  readonly #pending = new SharedWork<Token>();

  constructor(options: AuthenticatorOptions) {
    this.#transport = options.transport;
    this.#credentials = options.credentials ?? (() => Promise.resolve(undefined));
    this.#now = options.now ?? Date.now;
  }

  /** The `Authorization` header that worked before and still should. */
  known(domain: string, scope: string): string | undefined {
    const token = this.#tokens.get(keyOf(domain, scope));
    return token !== undefined && token.expiresAtMs > this.#now() ? token.header : undefined;
  }

  /** The header that answers a `WWW-Authenticate` header. Throws `registry-denied` or `registry-error`. */
  async answer(request: AuthRequest, challengeHeader: string): Promise<string> {
    const key = keyOf(request.domain, request.scope);
    const token = await this.#pending.run(key, request.signal, (signal) =>
      this.#obtain({ ...request, signal }, parseChallenges(challengeHeader)),
    );
    this.#tokens.set(key, token);
    return token.header;
  }

  /** Forgets a token that the registry does not take. */
  forget(domain: string, scope: string): void {
    this.#tokens.delete(keyOf(domain, scope));
  }

  async #obtain(request: AuthRequest, challenges: readonly Challenge[]): Promise<Token> {
    const bearer = challenges.find((challenge) => challenge.scheme === 'bearer');
    const credentials = await this.#credentials(request.domain);
    if (bearer !== undefined) return this.#fetchToken(request, bearer, credentials);
    const basic = challenges.find((challenge) => challenge.scheme === 'basic');
    if (basic !== undefined && credentials !== undefined) {
      return { header: basicHeader(credentials), expiresAtMs: Number.POSITIVE_INFINITY };
    }
    throw loginNeeded(request.what, request.url, basic?.scheme ?? challenges[0]?.scheme ?? 'of an unknown kind');
  }

  async #fetchToken(request: AuthRequest, challenge: Challenge, credentials: Credentials | undefined): Promise<Token> {
    const url = realmOf(request, challenge);
    const service = challenge.parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', challenge.parameters.get('scope') ?? request.scope);
    const headers: Record<string, string> = { accept: 'application/json' };
    if (credentials !== undefined) headers['authorization'] = basicHeader(credentials);
    const startedMs = this.#now();
    const response = await this.#transport.send({ method: 'GET', url, headers, signal: request.signal });
    if (response.status === 401 || response.status === 403) {
      release(response);
      throw denied(request.what, request.url);
    }
    if (response.status !== 200) {
      release(response);
      throw badToken(url, `it answers with status ${response.status}`);
    }
    const { token, lifetimeS } = parseToken(await readBody(response, MAX_TOKEN_BYTES, 'a token'), url);
    // A tenth less, so that a token does not expire on its way.
    return { header: `Bearer ${token}`, expiresAtMs: startedMs + lifetimeS * 900 };
  }
}

function keyOf(domain: string, scope: string): string {
  return `${domain} ${scope}`;
}

/** The token server; a registry must not make us talk to one in the clear, except on this machine. */
function realmOf(request: AuthRequest, challenge: Challenge): URL {
  const realm = challenge.parameters.get('realm') ?? '';
  if (!URL.canParse(realm)) throw badTokenRealm(request.domain, `"${realm.slice(0, 100)}" is not an address`);
  const url = new URL(realm);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.host) && isLoopback(request.url.host)))
    return url;
  throw badTokenRealm(request.domain, `"${url.protocol}//${url.host}" is not encrypted`);
}

function parseToken(bytes: Buffer, url: URL): { readonly token: string; readonly lifetimeS: number } {
  let answer: unknown;
  try {
    answer = JSON.parse(bytes.toString());
  } catch (error) {
    throw badToken(url, 'the answer is not JSON', error);
  }
  const field = (name: string): unknown =>
    typeof answer === 'object' && answer !== null
      ? new Map<string, unknown>(Object.entries(answer)).get(name)
      : undefined;
  const token = field('token') ?? field('access_token');
  // Visible ASCII only: it goes into a header.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw badToken(url, 'the answer contains none');
  const seconds = field('expires_in');
  return { token, lifetimeS: Math.max(MIN_LIFETIME_S, typeof seconds === 'number' ? seconds : MIN_LIFETIME_S) };
}

function basicHeader({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

const SCHEME = /[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=\s|,|$)\s*/y;
const PARAMETER = /[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y;

/** The challenges of a `WWW-Authenticate` header (RFC 9110, 11.6.1); reads as far as it makes sense. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let position = 0;
  for (;;) {
    SCHEME.lastIndex = position;
    const scheme = SCHEME.exec(header);
    if (scheme === null) return challenges;
    position = SCHEME.lastIndex;
    const parameters = new Map<string, string>();
    for (;;) {
      PARAMETER.lastIndex = position;
      const parameter = PARAMETER.exec(header);
      if (parameter === null) break;
      position = PARAMETER.lastIndex;
      const [, name = '', quoted, plain] = parameter;
      parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
    }
    challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters });
  }
}
