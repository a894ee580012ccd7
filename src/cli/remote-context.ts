/** URLs as contexts on the command line. */
import { BuildError } from '../core/errors.ts';
import { parseRemoteContext } from '../core/remote-url.ts';

/** A context of the engine at `url`, which is read again where it is fetched; a malformed one is refused now. Throws `usage`. */
export function remoteContext(url: string): { readonly kind: 'remote'; readonly url: string } {
  try {
    parseRemoteContext(url);
  } catch (error) {
    throw error instanceof BuildError ? new BuildError('usage', error.message, { cause: error }) : error;
  }
  return { kind: 'remote', url };
}
