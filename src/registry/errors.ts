/** What can go wrong with a registry, one factory a situation. No message shows credentials or signed URLs. */
import { BuildError, errnoOf } from '../core/errors.ts';

/** A URL without what may be secret: user, password, query, fragment. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** The request did not get an answer. */
export function unreachable(url: URL, error: unknown): BuildError {
  const { reason, hint } = explainConnection(errnoOf(error) ?? '', url);
  return new BuildError('registry-unreachable', `Cannot reach "${url.host}": ${reason ?? messageOf(error)}`, {
    hint,
    cause: error,
  });
}

const CHECK_NETWORK = 'Check the network connection of this machine';

function explainConnection(code: string, url: URL): { readonly reason: string | undefined; readonly hint: string } {
  switch (code) {
    case 'ENOTFOUND':
      return {
        reason: 'there is no host of this name',
        hint: 'Check how the registry is spelled, and the DNS settings of this machine',
      };
    case 'EAI_AGAIN':
      return {
        reason: 'its name cannot be looked up at the moment',
        hint: 'Check the network connection and the DNS settings of this machine',
      };
    case 'ECONNREFUSED':
      return {
        reason: 'nothing listens there',
        hint: 'Check the name and the port, and whether the registry is running',
      };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return { reason: 'there is no route to it', hint: CHECK_NETWORK };
    case 'ETIMEDOUT':
      return { reason: 'it does not answer', hint: CHECK_NETWORK };
    case 'ECONNRESET':
    case 'EPIPE':
      return { reason: 'it closes the connection', hint: 'Try again later' };
    case 'CERT_HAS_EXPIRED':
      return {
        reason: 'its certificate has expired',
        hint: "Check this machine's clock, or tell who runs the registry",
      };
    case 'CERT_NOT_YET_VALID':
      return { reason: 'its certificate is not valid yet', hint: "Check this machine's clock" };
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return { reason: 'its certificate is for another host', hint: 'Use the name that the certificate was made for' };
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return {
        reason: 'its certificate is signed by an authority that is not trusted here',
        hint: 'Name a file with the authority in the environment variable NODE_EXTRA_CA_CERTS',
      };
    default:
      if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
        return {
          reason: 'it does not speak TLS',
          hint: 'Registries without TLS are only used on this machine itself, such as "localhost:5000"',
        };
      }
      if (code.startsWith('HPE_')) return { reason: 'it does not speak HTTP', hint: 'Check the name and the port' };
      return { reason: undefined, hint: url.protocol === 'https:' ? CHECK_NETWORK : 'Check the name and the port' };
  }
}

export function denied(what: string, url: URL, detail?: string): BuildError {
  return new BuildError('registry-denied', `Cannot fetch ${what}: "${url.host}" denies access${because(detail)}`, {
    hint: 'The repository may not exist, or need a login; only repositories that everybody may read can be used so far',
  });
}

export function loginNeeded(what: string, url: URL, scheme: string): BuildError {
  return new BuildError('registry-denied', `Cannot fetch ${what}: "${url.host}" asks for a login (${scheme})`, {
    hint: 'Only repositories that everybody may read can be used so far',
  });
}

export function notFound(what: string, url: URL, detail?: string): BuildError {
  return new BuildError('registry-not-found', `Cannot find ${what} on "${url.host}"${because(detail)}`, {
    hint: 'Check the name and the tag',
  });
}

/** An image that came as an archive, or was built here, is not in a registry that we know of. */
export function noOrigin(what: string): BuildError {
  return new BuildError('registry-not-found', `Cannot fetch ${what}: nothing says which registry has it`);
}

export function tooManyRequests(what: string, url: URL, detail?: string): BuildError {
  return new BuildError(
    'registry-error',
    `Cannot fetch ${what}: "${url.host}" refuses more requests for now${because(detail)}`,
    {
      hint: 'Wait until the limit is lifted, or use a mirror of the image',
    },
  );
}

export function badStatus(what: string, url: URL, status: number, detail?: string): BuildError {
  return new BuildError(
    'registry-error',
    `Cannot fetch ${what}: "${url.host}" answers with status ${status}${because(detail)}`,
  );
}

export function notManifest(what: string, url: URL, contentType: string): BuildError {
  return new BuildError(
    'registry-error',
    `Cannot fetch ${what}: "${url.host}" answers with "${printable(contentType)}" instead of a manifest`,
    {
      hint: 'Check that this is the address of a registry',
    },
  );
}

export function badRedirect(url: URL, why: string): BuildError {
  return new BuildError('registry-error', `Cannot follow the redirect of "${shownUrl(url)}": ${why}`);
}

export function badToken(url: URL, why: string, cause?: unknown): BuildError {
  return new BuildError('registry-error', `Cannot get a token from "${shownUrl(url)}": ${why}`, { cause });
}

export function badTokenRealm(domain: string, why: string): BuildError {
  return new BuildError('registry-error', `Cannot use the token server that "${domain}" names: ${why}`);
}

export function tooLong(what: string, url: URL, maxBytes: number): BuildError {
  return new BuildError('limit-exceeded', `Cannot fetch ${what}: "${url.host}" sends more than ${maxBytes} bytes`);
}

export function changedManifest(what: string, url: URL, announced: string, got: string): BuildError {
  return new BuildError(
    'digest-mismatch',
    `Cannot use ${what}: "${url.host}" announces it as "${announced}" but sends content with digest "${got}"`,
  );
}

export function downloadFailed(
  what: string,
  url: URL,
  receivedBytes: number,
  totalBytes: number,
  cause: unknown,
): BuildError {
  return new BuildError(
    'download-failed',
    `Cannot download ${what}: the connection to "${url.host}" keeps breaking off, ${receivedBytes} of ${totalBytes} bytes arrived`,
    { hint: 'Try again later', cause },
  );
}

export function badRange(what: string, url: URL): BuildError {
  return new BuildError(
    'registry-error',
    `Cannot go on downloading ${what}: "${url.host}" sends another part than was asked for`,
  );
}

export function noPlatform(what: string, wanted: string, offered: readonly string[]): BuildError {
  const list = offered.length === 0 ? 'none' : offered.map((name) => `"${name}"`).join(', ');
  return new BuildError('platform-not-found', `Cannot use ${what}: it has no image for platform "${wanted}"`, {
    hint: `It has images for: ${list}`,
  });
}

export function nestedTooDeep(what: string): BuildError {
  return new BuildError('limit-exceeded', `Cannot use ${what}: its indexes are nested too deeply`);
}

/** The registry's own words, if it has any. */
function because(detail: string | undefined): string {
  return detail === undefined || detail === '' ? '' : `: ${printable(detail)}`;
}

function printable(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 300);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? printable(error.message) : 'the connection failed';
}
