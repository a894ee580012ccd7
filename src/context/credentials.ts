/** Credentials for the servers of sources: of secrets, under the names that BuildKit knows them by, and of URLs. */
import { BuildError } from '../core/errors.ts';

/** The value of a build's secret, if it has one of this name. */
export type SecretLookup = (id: string) => Uint8Array | undefined;

/** What git is to send, and where: to addresses that begin with `scope`. */
export interface GitCredentials {
  readonly scope: string;
  readonly authorization: string;
}

export interface GitRemote {
  /** Without user and password where those are HTTP's. */
  readonly remote: string;
  readonly credentials?: GitCredentials;
}

/**
 * A remote apart from its credentials: `GIT_AUTH_HEADER.HOST`, `GIT_AUTH_TOKEN.HOST` (HOST with its port, if the URL has one), the same
 * without `.HOST`, or else what the URL says. A secret counts for this remote alone, or for all of github.com. Throws `invalid-argument`.
 */
export function gitRemote(url: string, secret: SecretLookup): GitRemote {
  const [, scheme, user, host = '', path = ''] = /^(https?:\/\/)(?:([^/?#]*)@)?([^/?#@]*)([^]*)$/i.exec(url) ?? [];
  if (scheme === undefined) return { remote: url };
  const remote = `${scheme}${host}${path}`;
  const authorization = gitAuthorization(host, secret);
  if (authorization !== undefined) {
    const isGithub = scheme.toLowerCase() === 'https://' && host.toLowerCase() === 'github.com';
    return { remote, credentials: { scope: isGithub ? `${scheme}${host}/` : remote, authorization } };
  }
  if (user === undefined) return { remote };
  return { remote, credentials: { scope: `${scheme}${host}/`, authorization: basic(new URL(url)) } };
}

function gitAuthorization(host: string, secret: SecretLookup): string | undefined {
  for (const suffix of [`.${host}`, '']) {
    const header = valueOf(`GIT_AUTH_HEADER${suffix}`, secret);
    if (header !== undefined) return header;
    const token = valueOf(`GIT_AUTH_TOKEN${suffix}`, secret);
    if (token !== undefined) return `Basic ${base64(`x-access-token:${token}`)}`;
  }
  return undefined;
}

/** For files by HTTP: the secret `HTTP_AUTH_TOKEN_HOST` or `HTTP_AUTH_HEADER_HOST`, HOST without a port. Throws `invalid-argument`. */
export function httpAuthorization({ hostname }: URL, secret: SecretLookup): string | undefined {
  const host = hostname.replace(/^\[|\]$/g, '');
  const token = valueOf(`HTTP_AUTH_TOKEN_${host}`, secret);
  return token === undefined ? valueOf(`HTTP_AUTH_HEADER_${host}`, secret) : `Bearer ${token}`;
}

/** User and password of a URL, as HTTP sends them. */
export function basic({ username, password }: URL): string {
  return `Basic ${base64(`${decoded(username)}:${decoded(password)}`)}`;
}

/** Files often end with a line feed, which belongs to no token; an empty secret, such as an unset variable, is none. */
function valueOf(id: string, secret: SecretLookup): string | undefined {
  const bytes = secret(id);
  const value =
    bytes &&
    Buffer.from(bytes)
      .toString('latin1')
      .replace(/\r?\n$/, '');
  if (value === undefined || value === '') return undefined;
  if (/[^\t\x20-\x7e]/.test(value)) {
    throw new BuildError(
      'invalid-argument',
      `Cannot use the secret "${id}" in a request: it has a character that no header may have`,
    );
  }
  return value;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // What is not encoded is taken as it is.
    return part;
  }
}
