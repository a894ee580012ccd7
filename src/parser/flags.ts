/** `--name[=value]` before an instruction's arguments: which ones it takes, and what their values mean. */
import type { Token } from '../../grammar/syntax.ts';
import type { SourceRange } from '../core/source.ts';
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

/** The flags of one instruction, each known, complete and given no more often than allowed. */
export class Flags {
  readonly #values = new Map<string, Word[]>();

  constructor(keyword: Token, tokens: readonly Token[], line: LogicalLine) {
    const known = FLAGS.get(keyword.text.toLowerCase()) ?? {};
    for (const token of tokens) {
      const range = line.range(token.offset, token.offset + token.text.length);
      const [, name = '', equals, value = ''] = /^--([^=]*)(=)?([^]*)$/.exec(token.value) ?? [];
      const type = Object.hasOwn(known, name) ? known[name] : undefined;
      if (type === undefined) throw unknownFlag(keyword.text.toUpperCase(), name, range, Object.keys(known));
      const earlier = this.#values.get(name) ?? [];
      if (earlier.length > 0 && type !== 'list') throw repeatedFlag(name, range);
      if (equals === undefined && type !== 'boolean') throw flagWithoutValue(name, range);
      if (type === 'boolean') checkBoolean(name, value, equals !== undefined, range);
      const valueOffset = token.offset + token.text.indexOf('=') + 1;
      const valueRange = equals === undefined ? range : line.range(valueOffset, token.offset + token.text.length);
      this.#values.set(name, [...earlier, { text: value, range: valueRange }]);
    }
  }

  words(name: string): readonly Word[] {
    return this.#values.get(name) ?? [];
  }

  word(name: string): Word | undefined {
    return this.words(name)[0];
  }

  boolean(name: string): boolean | undefined {
    const value = this.word(name);
    return value === undefined ? undefined : value.text.toLowerCase() !== 'false';
  }

  choice<T extends string>(name: string, choices: readonly T[]): Located<T> | undefined {
    const word = this.word(name);
    if (word === undefined) return undefined;
    const value = choices.find((choice) => choice === word.text.toLowerCase());
    if (value === undefined) throw invalidChoice(name, word.text, choices, word.range);
    return { value, range: word.range };
  }

  /** Nanoseconds; `undefined` for zero too, which asks for the default. */
  durationNs(name: string): number | undefined {
    const word = this.word(name);
    if (word === undefined || word.text === '') return undefined;
    const duration = parseDuration(word.text);
    if (duration === undefined) throw invalidDuration(name, word.text, word.range);
    if (duration === 0) return undefined;
    if (duration < MIN_DURATION_NS) throw durationTooShort(name, word.text, word.range);
    return duration;
  }

  /** `undefined` for zero too, which asks for the default. */
  retries(): number | undefined {
    const word = this.word('retries');
    if (word === undefined || word.text === '') return undefined;
    const retries = /^[-+]?[0-9]+$/.test(word.text) ? Number(word.text) : Number.NaN;
    if (!(retries >= 0 && retries < 2 ** 31)) throw invalidRetries(word.text, word.range);
    return retries === 0 ? undefined : retries;
  }
}

function checkBoolean(name: string, value: string, hasValue: boolean, range: SourceRange): void {
  if (!hasValue) return;
  if (value === '') throw flagWithoutValue(name, range);
  if (!/^(?:true|false)$/i.test(value)) throw invalidBoolean(name, value, range);
}
