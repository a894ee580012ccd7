/** The ports of EXPOSE. */
import { isIP } from 'node:net';
import type { Word } from '../../parser/types.ts';
import { invalidPort } from '../errors.ts';

const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'];

/**
 * `[ip:][host:]port[-port][/protocol]` as a list of `port/protocol`. Address and host port are checked and have no effect, as in
 * Docker. Throws `invalid-argument` located at `word`.
 */
export function parsePorts(text: string, word: Word): string[] {
  const fail = (why: string): Error => invalidPort(text, why, word);
  const parts = text.split(':');
  const container = parts.pop() ?? '';
  const host = parts.pop() ?? '';
  const address = parts.join(':').replace(/^\[(.*)\]$/, '$1');
  if (address !== '' && isIP(address) === 0) throw fail(`"${address}" is not an IP address`);
  const slash = container.indexOf('/');
  const protocol = slash < 0 ? '' : container.slice(slash + 1).toLowerCase();
  if (protocol !== '' && !PROTOCOLS.includes(protocol))
    throw fail(`unknown protocol "${protocol}": want tcp, udp or sctp`);
  const range = parseRange(slash < 0 ? container : container.slice(0, slash));
  if (range === undefined) throw fail('want a port from 0 to 65535, or a range such as 8000-8010');
  if (host !== '') {
    const hostRange = parseRange(host);
    if (hostRange === undefined) throw fail(`"${host}" is not a port`);
    if (range[0] !== range[1] && hostRange[1] - hostRange[0] !== range[1] - range[0]) {
      throw fail('the two ranges differ in length');
    }
  }
  const [first, last] = range;
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol === '' ? 'tcp' : protocol}`);
}

function parseRange(text: string): [number, number] | undefined {
  const match = /^(\+?\d+)(?:-(\+?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= last && last <= 65535 ? [first, last] : undefined;
}
