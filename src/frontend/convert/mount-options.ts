/** The options of one `RUN --mount`, expanded and checked, before they mean anything. */
import { suggest } from '../../core/suggest.ts';
import type { MountFlag, MountOption, Word } from '../../parser/types.ts';
import { invalidMount } from '../errors.ts';
import type { StageScope } from '../scope.ts';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING = ['shared', 'private', 'locked'] as const;
/** The name under which each spelling is kept. */
const CANONICAL: Readonly<Record<string, keyof MountOptions>> = {
  type: 'type',
  from: 'from',
  source: 'source',
  src: 'source',
  target: 'target',
  dst: 'target',
  destination: 'target',
  readonly: 'readonly',
  ro: 'readonly',
  readwrite: 'readonly',
  rw: 'readonly',
  id: 'id',
  sharing: 'sharing',
  required: 'required',
  size: 'sizeBytes',
  mode: 'mode',
  uid: 'uid',
  gid: 'gid',
  env: 'env',
};
/** What Docker takes with each type, besides `type`, whether it does anything there or not. */
const ALLOWED: Readonly<Record<MountOptions['type'], readonly (keyof MountOptions)[]>> = {
  bind: ['from', 'source', 'target', 'readonly', 'id', 'env'],
  cache: ['from', 'source', 'target', 'readonly', 'id', 'sharing', 'mode', 'uid', 'gid', 'env'],
  tmpfs: ['target', 'sizeBytes', 'readonly', 'from', 'source', 'id', 'env'],
  secret: ['source', 'target', 'id', 'required', 'mode', 'uid', 'gid', 'env', 'readonly'],
  ssh: ['target', 'id', 'required', 'mode', 'uid', 'gid', 'from', 'env', 'readonly'],
};
/** Options that mean something without a value. */
const SWITCHES: readonly (keyof MountOptions)[] = ['readonly', 'required'];
const MAX_ID = 2 ** 32 - 1;
const SIZE_UNITS = 'kmgtp';

export interface MountOptions {
  readonly type: (typeof TYPES)[number];
  readonly from?: string;
  readonly source?: string;
  readonly target?: string;
  readonly readonly?: boolean;
  readonly id?: string;
  readonly sharing?: (typeof SHARING)[number];
  readonly required?: boolean;
  readonly sizeBytes?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Expands values (not of `from`) and reads them; the last one of a name counts. Throws `invalid-flag`. */
export function readMountOptions(flag: MountFlag, scope: StageScope): MountOptions {
  const options: Writable<MountOptions> = { type: 'bind' };
  for (const option of flag.options) {
    const { key, value } = option;
    readOption(
      options,
      value === undefined || key === 'from' ? option : { ...option, value: scope.expand(wordOf(option, value)) },
    );
  }
  checkAllowed(options, flag);
  return options;
}

/** The value with its own place, where the option is written plainly. */
function wordOf({ key, range }: MountOption, value: string): Word {
  const { file, start, end } = range;
  const isPlain = start.line === end.line && end.column - start.column === key.length + 1 + value.length;
  if (!isPlain) return { text: value, range };
  return { text: value, range: { file, start: { line: start.line, column: start.column + key.length + 1 }, end } };
}

function readOption(options: Writable<MountOptions>, option: MountOption): void {
  const { key, value } = option;
  const invalid = (want: string): Error =>
    invalidMount(`"${value ?? ''}" is no value for "${key}": want ${want}`, option);
  const name = Object.hasOwn(CANONICAL, key) ? CANONICAL[key] : undefined;
  if (name !== undefined && value === undefined && !SWITCHES.includes(name))
    throw invalidMount(`"${key}" needs a value: want ${key}=VALUE`, option);
  switch (name) {
    case 'type':
      options.type = oneOf(TYPES, option);
      return;
    case 'sharing':
      options.sharing = oneOf(SHARING, option);
      return;
    case 'from':
    case 'source':
    case 'target':
    case 'id':
    case 'env':
      options[name] = value ?? '';
      return;
    case 'readonly':
    case 'required': {
      const isSet = value === undefined ? true : parseBoolean(value);
      if (isSet === undefined) throw invalid('"true" or "false"');
      options[name] = key === 'rw' || key === 'readwrite' ? !isSet : isSet;
      return;
    }
    case 'sizeBytes': {
      const size = parseSize(value ?? '');
      if (size === undefined) throw invalid('a size such as "64m"');
      options.sizeBytes = size;
      return;
    }
    case 'mode':
      if (!/^0*[0-7]{1,4}$/.test(value ?? '')) throw invalid('an octal mode up to 7777');
      options.mode = Number.parseInt(value ?? '', 8);
      return;
    case 'uid':
    case 'gid': {
      const id = /^\d{1,10}$/.test(value ?? '') ? Number(value) : Infinity;
      if (id > MAX_ID) throw invalid('a number');
      options[name] = id;
      return;
    }
    default:
      throw invalidMount(`unknown option "${key}"`, option, { word: key, options: Object.keys(CANONICAL) });
  }
}

function oneOf<T extends string>(values: readonly T[], option: MountOption): T {
  const { key, value: text = '' } = option;
  const wanted = text.toLowerCase();
  const found = values.find((value) => value === wanted);
  if (found !== undefined) return found;
  const nearest = suggest(wanted, values);
  const known = nearest === undefined ? undefined : { word: wanted, options: values };
  throw invalidMount(`"${text}" is no value for "${key}": want ${values.join(', ')}`, option, known);
}

function checkAllowed(options: MountOptions, flag: MountFlag): void {
  for (const option of flag.options) {
    const { key, value } = option;
    const name = CANONICAL[key] ?? 'type';
    if (name === 'type' || ALLOWED[options.type].includes(name)) continue;
    if (name === 'from' && value === '') continue;
    throw invalidMount(
      `a mount of type ${options.type} does not take "${key}": want ${ALLOWED[options.type].map(nameOf).join(', ')}`,
      option,
    );
  }
}

/** The usual spelling of an option. */
function nameOf(option: keyof MountOptions): string {
  return option === 'sizeBytes' ? 'size' : option;
}

/** Go's strconv.ParseBool. */
function parseBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

/** A number of bytes with a unit of 1024 and its powers: `64m`, `1.5GiB`. */
function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])?i?b?)$/i.exec(text);
  if (match === null) return undefined;
  const exponent = match[2] === undefined ? 0 : SIZE_UNITS.indexOf(match[2].toLowerCase()) + 1;
  const size = Math.floor(Number(match[1]) * 1024 ** exponent);
  return Number.isSafeInteger(size) ? size : undefined;
}
