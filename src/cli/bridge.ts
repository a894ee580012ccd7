/** The network of containers, as `$TSBUILD_BRIDGE` and `$TSBUILD_SUBNET` describe it. */
import { isIPv4 } from 'node:net';
import { BuildError } from '../core/errors.ts';
import type { EngineOptions } from '../engine/types.ts';
import type { Environment } from './types.ts';

const DEFAULT_NAME = 'tsbuild0';
/** Of interfaces in Linux, without what a shell or a packet filter would read as something else. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;
/** Private ranges (RFC 1918), and those of providers (RFC 6598). */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'];
const [SMALLEST, LARGEST] = [28, 8];

/** Undefined when nothing is set. Throws `usage`. */
export function bridgeOf(env: Environment): EngineOptions['bridge'] {
  const name = env['TSBUILD_BRIDGE'] ?? '';
  const subnet = env['TSBUILD_SUBNET'] ?? '';
  if (name === '' && subnet === '') return undefined;
  if (name !== '' && !NAME.test(name)) {
    throw new BuildError('usage', `Cannot use "${name}" of $TSBUILD_BRIDGE as the name of a bridge`, {
      hint: 'want up to 15 letters, digits, "_", "." and "-"',
    });
  }
  if (subnet !== '' && !isPrivate(subnet)) {
    throw new BuildError('usage', `Cannot use "${subnet}" of $TSBUILD_SUBNET for the bridge`, {
      hint: `want a private range of addresses between /${LARGEST} and /${SMALLEST}, such as "10.88.0.0/16"`,
    });
  }
  return { name: name === '' ? DEFAULT_NAME : name, ...(subnet !== '' && { subnet }) };
}

/** Whether all of the range is private, and its address the first of it. */
function isPrivate(text: string): boolean {
  const range = parse(text);
  if (range === undefined || range.prefix < LARGEST || range.prefix > SMALLEST) return false;
  if (first(range) !== range.address) return false;
  return PRIVATE.some((other) => {
    const outer = parse(other);
    return (
      outer !== undefined && range.prefix >= outer.prefix && first({ ...range, prefix: outer.prefix }) === outer.address
    );
  });
}

interface Range {
  readonly address: number;
  readonly prefix: number;
}

function parse(text: string): Range | undefined {
  const [, address = '', prefix = ''] = /^([^/]*)\/(\d{1,2})$/.exec(text) ?? [];
  if (!isIPv4(address)) return undefined;
  return {
    address: address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0),
    prefix: Number(prefix),
  };
}

function first({ address, prefix }: Range): number {
  const size = 2 ** (32 - prefix);
  return Math.floor(address / size) * size;
}
