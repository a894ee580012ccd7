/** Flags about the containers of RUN: `--add-host`, `--shm-size`, `--ulimit`, `--allow`. */
import { isIP } from 'node:net';
import { BuildError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import type { BuildRequest } from '../engine/types.ts';

type Of<K extends keyof BuildRequest> = NonNullable<BuildRequest[K]>;

/** `NAME:ADDRESS` or `NAME=ADDRESS`; an IPv6 address may stand in brackets, and `host-gateway` is the host's. Throws `usage`. */
export function extraHosts(items: readonly string[]): Of<'extraHosts'> {
  return items.map((item) => {
    const [, name = '', written = ''] = /^([^=:]*)[=:](.*)$/s.exec(item) ?? [];
    if (!/^[^\s#]+$/.test(name)) throw bad('--add-host', item, 'want NAME:ADDRESS');
    if (written === 'host-gateway') return { name, address: written };
    const address = written.replace(/^\[(.*)\]$/s, '$1');
    if (isIP(address) === 0) throw bad('--add-host', item, `"${written}" is no IP address`);
    return { name, address };
  });
}

const UNITS = 'kmgtp';

/** A number of bytes with a unit of 1024 and its powers: `64m`, `1.5GiB`; undefined for zero, which asks for the default. */
export function sizeBytes(flag: string, text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text);
  const exponent = match?.[2] === undefined ? 0 : UNITS.indexOf(match[2].toLowerCase()) + 1;
  const size = match === null ? Number.NaN : Math.floor(Number(match[1]) * 1024 ** exponent);
  if (!Number.isSafeInteger(size)) throw bad(flag, text, 'want a size such as "64m"');
  return size === 0 ? undefined : size;
}

const LIMITS = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** `NAME=SOFT[:HARD]`, -1 for unlimited; a later one in the place of an earlier one, in the order of names. Throws `usage`. */
export function ulimits(items: readonly string[]): Of<'ulimits'> {
  const limits = new Map<string, Of<'ulimits'>[number]>();
  for (const item of items) {
    const [, name = '', first = '', second] = /^([^=]*)=([^:]*)(?::(.*))?$/s.exec(item) ?? [];
    if (first === '') throw bad('--ulimit', item, 'want NAME=SOFT[:HARD]');
    if (!LIMITS.includes(name)) throw unknown('--ulimit', item, `"${name}" is no limit`, name, LIMITS);
    const soft = limit(item, first);
    const hard = second === undefined ? soft : limit(item, second);
    if (hard !== -1 && (soft === -1 || soft > hard)) {
      throw bad('--ulimit', item, `the soft limit ${first} is above the hard limit ${second ?? first}`);
    }
    limits.set(name, { name, soft, hard });
  }
  return LIMITS.flatMap((name) => limits.get(name) ?? []);
}

function limit(item: string, text: string): number {
  const value = /^(?:-1|\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw bad('--ulimit', item, `"${text}" is no number`);
  return value;
}

const ENTITLEMENTS = ['network.host', 'security.insecure'] as const;

/** As in Docker, one each time, and an empty one is none. Throws `usage`, and `unsupported` for devices, which Docker knows besides these. */
export function entitlements(items: readonly string[]): Of<'entitlements'> {
  return new Set(
    items.flatMap((item) => {
      if (item === '') return [];
      const known = ENTITLEMENTS.find((name) => name === item);
      if (known !== undefined) return known;
      if (/^device(?:=|$)/.test(item)) {
        throw new BuildError('unsupported', `Cannot use "${item}" for "--allow": devices are not supported`);
      }
      if (/^(?:fs|fs\.read|fs\.write|ssh)(?:=|$)/.test(item)) {
        throw new BuildError('usage', `Cannot use "${item}" for "--allow": it is for bake files only`, {
          hint: 'a build reads the files and uses the agents that its own flags name',
        });
      }
      throw unknown('--allow', item, `want one of "${ENTITLEMENTS.join('", "')}"`, item, ENTITLEMENTS);
    }),
  );
}

function bad(flag: string, item: string, why: string): BuildError {
  return new BuildError('usage', `Cannot use "${item}" for "${flag}": ${why}`);
}

function unknown(flag: string, item: string, why: string, word: string, known: readonly string[]): BuildError {
  const near = suggest(word, known);
  return new BuildError(
    'usage',
    `Cannot use "${item}" for "${flag}": ${why}`,
    near === undefined ? {} : { hint: `did you mean "${near}"?` },
  );
}
