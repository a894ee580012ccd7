/** Checks of single values. */
import type { Place, Report } from '../../parser/lint/rules.ts';

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
/** Says that it is none after all: `PUBLIC_KEY`, `TOKEN_FILE`. */
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** A name that looks like that of a secret, as its value ends up in the image. */
export function checkSecret(keyword: 'ARG' | 'ENV', name: string, place: Place, report: Report): void {
  if (!SECRET.test(name) || NO_SECRET.test(name)) return;
  const message = `Do not use ARG or ENV instructions for sensitive data (${keyword} "${name}")`;
  report('SecretsUsedInArgOrEnv', place, message);
}

/** Ports of EXPOSE after expansion: `[ip:][host:]port[/protocol]`. */
export function checkPorts(ports: readonly string[], place: Place, report: Report): void {
  for (const port of ports) {
    const parts = port.split(':');
    const protocol = parts.at(-1)?.split('/').slice(1).join('/') ?? '';
    if (protocol !== protocol.toLowerCase())
      report('ExposeProtoCasing', place, `Defined protocol '${port}' in EXPOSE instruction should be lowercase`);
    if (parts.slice(0, -1).some((part) => part !== '')) {
      const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
      report('ExposeInvalidFormat', place, message);
    }
  }
}

/** Sources of COPY and ADD that the ignore file leaves out; as in Docker, paths are compared as they are written. */
export function checkCopied(
  kind: 'copy' | 'add',
  paths: readonly string[],
  place: Place,
  { isIgnored, report }: { readonly isIgnored?: ((path: string) => boolean) | undefined; readonly report: Report },
): void {
  const action = kind === 'copy' ? 'Copy' : 'Add';
  for (const path of paths) {
    if (isRemote(path) || isIgnored?.(path) !== true) continue;
    report('CopyIgnoredFile', place, `Attempting to ${action} file "${path}" that is excluded by .dockerignore`);
  }
}

function isRemote(source: string): boolean {
  return /^(?:https?|git|ssh):\/\//i.test(source) || /^[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:/.test(source);
}
