/** `--name[=value]` before an instruction's arguments: which ones it takes, and what their values mean. */
import type { Token } from '../../grammar/syntax.ts';
import type { LogicalLine } from './lines.ts';
import type { Located, Word } from './types.ts';

import {
  durationTooShort,
  flagWithoutValue,
  invalidBoolean,
  invalidChoice,
  invalidDuration,
  invalidRetries,
  repeatedFlag,
  unknownFlag,
} from './errors.ts';
import { parseDuration } from './duration.ts';

/** A string may come once, a list any number of times, a boolean once with or without a value. */
type FlagType = 'string' | 'list' | 'boolean';

const COPY_FLAGS: Readonly<Record<string, FlagType>> = {
  chown: 'string',
  chmod: 'string',
  link: 'boolean',
  exclude: 'list',
};

const FLAGS: ReadonlyMap<string, Readonly<Record<string, FlagType>>> = new Map<
  string,
  Readonly<Record<string, FlagType>>
>([
  ['from', { platform: 'string' }],
  ['run', { mount: 'list', network: 'string', security: 'string', device: 'list' }],
  ['copy', { from: 'string', ...COPY_FLAGS, parents: 'boolean' }],
  ['add', { ...COPY_FLAGS, checksum: 'string', 'keep-git-dir': 'boolean', unpack: 'boolean' }],
  [
    'healthcheck',
    { interval: 'string', timeout: 'string', 'start-period': 'string', 'start-interval': 'string', retries: 'string' },
  ],
]);

/** Docker's shortest health check duration. */
const MIN_DURATION_NS = 1e6;

const NO_WORDS: readonly Word[] = [];

/** The flags of one instruction, each known, complete and given no more often than allowed. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly Word[]> | undefined;

  constructor(keyword: Token, line: LogicalLine) {
    if (keyword.parts.length > 0) this.#values = readFlags(keyword, line);
  }

  words(name: string): readonly Word[] {
    return this.#values?.get(name) ?? NO_WORDS;
  }

  /** As in Docker, `--name=` is as good as no flag. */
  word(name: string): Word | undefined {
    const word = this.words(name)[0];
    return word?.text === '' ? undefined : word;
  }

  boolean(name: string): boolean | undefined {
    const value = this.words(name)[0];
    return value === undefined ? undefined : value.text.toLowerCase() !== 'false';
  }

  choice<T extends string>(name: string, choices: readonly T[]): Located<T> | undefined {
    const word = this.words(name)[0];
    if (word === undefined) return undefined;
    const value = choices.find((choice) => choice === word.text);
    if (value === undefined) throw invalidChoice(name, word.text, choices, word.range);
    return { value, range: word.range };
  }

  /** Nanoseconds; `undefined` for zero too, which asks for the default. */
  durationNs(name: string): number | undefined {
    const word = this.word(name);
    if (word === undefined) return undefined;
    const duration = parseDuration(word.text);
    if (duration === undefined) throw invalidDuration(name, word.text, word.range);
    if (duration === 0) return undefined;
    if (duration < MIN_DURATION_NS) throw durationTooShort(name, word.text, word.range);
    return duration;
  }

  /** `undefined` for zero too, which asks for the default. */
  retries(): number | undefined {
    const word = this.word('retries');
    if (word === undefined) return undefined;
    const retries = /^[-+]?[0-9]+$/.test(word.text) ? Number(word.text) : Number.NaN;
    if (!(retries >= 0 && retries < 2 ** 31)) throw invalidRetries(word.text, word.range);
    return retries === 0 ? undefined : retries;
  }
}

/** Errors: as the constructor of `Flags`, for one who only wants to know. */
export function checkFlags(keyword: Token, line: LogicalLine): void {
  readFlags(keyword, line);
}

function readFlags(keyword: Token, line: LogicalLine): Map<string, Word[]> {
  const values = new Map<string, Word[]>();
  const known = FLAGS.get(keyword.text.toLowerCase()) ?? {};
  for (const token of keyword.parts) {
    const range = line.range(token.offset, token.offset + token.text.length);
    const equals = token.value.indexOf('=');
    const name = token.value.slice(2, equals === -1 ? undefined : equals);
    const value = equals === -1 ? undefined : token.value.slice(equals + 1);
    const type = Object.hasOwn(known, name) ? known[name] : undefined;
    if (type === undefined) throw unknownFlag(keyword.text.toUpperCase(), name, range, Object.keys(known));
    const earlier = values.get(name);
    if (earlier !== undefined && type !== 'list') throw repeatedFlag(name, range);
    if (type !== 'boolean' && value === undefined) throw flagWithoutValue(name, range);
    if (type === 'boolean' && value !== undefined && !/^(?:true|false)$/i.test(value))
      throw invalidBoolean(name, value, range);
    const valueRange = {
      ...range,
      start: value === undefined ? range.start : line.position(token.offset + token.text.indexOf('=') + 1),
    };
    const word = { text: value ?? '', range: valueRange };
    if (earlier === undefined) values.set(name, [word]);
    else earlier.push(word);
  }
  return values;
}
