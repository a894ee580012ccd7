/** `-p [[ADDRESS:]HOST-PORT:]CONTAINER-PORT[/PROTOCOL]`, each port also a range. */
import { isIP } from 'node:net';
import { BuildError } from '../core/errors.ts';
import type { PortOption } from '../engine/types.ts';

const ANY_ADDRESS = '0.0.0.0';
const MAX_PORT = 65_535;

/** One for each port of a range. Throws `usage` for what is malformed, `unsupported` for what Docker has and tsbuild has not. */
export function parsePublish(text: string): PortOption[] {
  const invalid = (why: string): BuildError => new BuildError('usage', `Cannot publish "${text}": ${why}`);
  const unsupported = (why: string): BuildError => new BuildError('unsupported', `Cannot publish "${text}": ${why}`);
  const [ports = '', protocol = 'tcp', ...rest] = text.split('/');
  if (rest.length > 0) throw invalid('want [[ADDRESS:]HOST-PORT:]CONTAINER-PORT[/PROTOCOL]');
  if (protocol === 'sctp') throw unsupported('the protocol "sctp" is not supported');
  if (protocol !== 'tcp' && protocol !== 'udp') throw invalid(`unknown protocol "${protocol}"`);
  if (ports.startsWith('[')) throw unsupported('addresses of IPv6 are not supported');
  const parts = ports.split(':');
  if (parts.length > 3) throw invalid('want [[ADDRESS:]HOST-PORT:]CONTAINER-PORT[/PROTOCOL]');
  const container = range(parts.at(-1) ?? '', invalid);
  const host = parts.length > 1 && parts.at(-2) !== '' ? range(parts.at(-2) ?? '', invalid) : undefined;
  const address = parts.length === 3 && parts[0] !== '' ? parts[0] : undefined;
  if (address !== undefined && isIP(address) !== 4) throw invalid(`"${address}" is no address of IPv4`);
  if (host !== undefined && host.length !== container.length) {
    if (container.length === 1) throw unsupported('a range of host ports for one port is not supported');
    throw invalid('the ranges have different lengths');
  }
  return container.map((containerPort, index) => ({
    protocol,
    hostAddress: address ?? ANY_ADDRESS,
    containerPort,
    ...(host !== undefined && { hostPort: host[index] ?? containerPort }),
  }));
}

/** `80` or `80-89`. */
function range(text: string, invalid: (why: string) => BuildError): number[] {
  const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const start = Number(first);
  const end = last === undefined ? start : Number(last);
  if (first === undefined || start < 1 || end > MAX_PORT || end < start)
    throw invalid(`"${text}" is neither a port, 1 to ${MAX_PORT}, nor a range`);
  return Array.from({ length: end - start + 1 }, (_, index) => start + index);
}
