/**
 * Reads a command's arguments the way Docker's flag library (pflag) does: `--name value`, `--name=value`, `-n value`, `-nvalue`,
 * `-itn value`, `--flag=false`, `--`.
 *
 * yargs' parser guesses where a value looks like a flag or a group of short ones, so every argument is first brought into the
 * one form that it cannot misread, `--name=value`, by the command's table.
 */
import type { Arguments, Configuration } from 'yargs-parser';
import { Parser } from 'yargs/helpers';
import { BuildError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import type { CommandSpec, OptionSpec, OptionTable, ParsedArgs } from './types.ts';
import { GLOBAL_OPTIONS } from './types.ts';

const CONFIGURATION: Partial<Configuration> = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'duplicate-arguments-array': true,
  'flatten-duplicate-arrays': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'populate--': false,
};

/** Put before values, which the parser would else strip of the quotes around them. */
const VALUE_MARK = ':';

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Throws `usage` for what the table does not know or allow, `unsupported` for Docker's flags that it names as such. */
export function parseArguments<O extends OptionTable>(command: CommandSpec<O>, argv: readonly string[]): ParsedArgs<O> {
  const options: OptionTable = { ...command.options, ...GLOBAL_OPTIONS };
  const { flags, operands } = normalise(command, options, argv);
  const names = Object.keys(options);
  const parsed: Arguments = Parser(flags, {
    boolean: names.filter((name) => options[name]?.kind === 'flag'),
    string: names.filter((name) => options[name]?.kind !== 'flag'),
    configuration: CONFIGURATION,
  });
  const { min, max } = command.arity;
  if (operands.length < min || operands.length > max) throw wrongArity(command, operands.length);
  // A flag given twice is an array of what was given.
  const all = (name: string): string[] => {
    const value: unknown = parsed[name];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map((item) => String(item).replace(VALUE_MARK, ''));
  };
  const last = (name: string): string | undefined => all(name).at(-1);
  return {
    flag: (name) => last(name) === 'true',
    value: last,
    list: all,
    operands,
    root: last('root'),
  };
}

interface Normalised {
  /** Each in the form `--name=value`. */
  readonly flags: string[];
  readonly operands: string[];
}

function normalise(command: CommandSpec, options: OptionTable, argv: readonly string[]): Normalised {
  const flags: string[] = [];
  const operands: string[] = [];
  const shorts = new Map(
    Object.entries(options).flatMap(([name, { short }]) => (short === undefined ? [] : [[short, name] as const])),
  );
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!;
    if (argument === '--' || argument === '-' || !argument.startsWith('-')) {
      const rest = argument === '--' ? argv.slice(at + 1) : command.stopAtOperand === true ? argv.slice(at) : undefined;
      operands.push(...(rest ?? [argument]));
      if (rest !== undefined) break;
      continue;
    }
    const takeNext = (shown: string): string => {
      const value = argv[++at];
      if (value === undefined) throw new BuildError('usage', `Flag "${shown}" needs a value`);
      return value;
    };
    if (argument.startsWith('--')) {
      const equals = argument.indexOf('=');
      const name = argument.slice(2, equals < 0 ? undefined : equals);
      const spec = lookUp(command, options, name, `--${name}`);
      flags.push(joined(name, spec, `--${name}`, equals < 0 ? undefined : argument.slice(equals + 1), takeNext));
      continue;
    }
    for (let letters = argument.slice(1); letters !== '';) {
      const shown = `-${letters[0]}`;
      const name = shorts.get(letters[0]!);
      const spec = lookUp(command, options, name ?? letters[0]!, shown, name !== undefined);
      const rest = letters.slice(1);
      // What follows the letter of a flag are more flags, else the value.
      const value = rest.startsWith('=') ? rest.slice(1) : spec.kind !== 'flag' && rest !== '' ? rest : undefined;
      flags.push(joined(name ?? '', spec, shown, value, takeNext));
      letters = value === undefined ? rest : '';
      if (spec.kind !== 'flag') break;
    }
  }
  return { flags, operands };
}

function joined(
  name: string,
  spec: OptionSpec,
  shown: string,
  value: string | undefined,
  takeNext: (shown: string) => string,
): string {
  if (spec.kind === 'flag') {
    if (value === undefined || TRUE.has(value)) return `--${name}=true`;
    if (FALSE.has(value)) return `--${name}=false`;
    throw new BuildError('usage', `Cannot use "${value}" for "${shown}": want "true" or "false"`);
  }
  const given = value ?? takeNext(shown);
  if (spec.kind === 'value' && spec.choices !== undefined && !spec.choices.includes(given))
    throw notAChoice(shown, given, spec.choices);
  return `--${name}=${VALUE_MARK}${given}`;
}

function lookUp(
  command: CommandSpec,
  options: OptionTable,
  name: string,
  shown: string,
  known = Object.hasOwn(options, name),
): OptionSpec {
  const spec = known ? options[name] : undefined;
  if (spec !== undefined) return spec;
  if (command.unsupported?.includes(name) === true) {
    throw new BuildError(
      'unsupported',
      `Cannot use flag "${shown}" with "${command.name}": tsbuild does not support it`,
    );
  }
  const near = shown.startsWith('--') ? suggest(name, Object.keys(options)) : undefined;
  throw new BuildError(
    'usage',
    `Unknown flag "${shown}" for "${command.name}"`,
    near === undefined ? {} : { hint: `did you mean "--${near}"?` },
  );
}

/** `value` is none of `choices`. */
export function notAChoice(flag: string, value: string, choices: readonly string[]): BuildError {
  const near = suggest(value, choices);
  return new BuildError(
    'usage',
    `Cannot use "${value}" for "${flag}": want one of ${choices.map((choice) => `"${choice}"`).join(', ')}`,
    near === undefined ? {} : { hint: `did you mean "${near}"?` },
  );
}

function wrongArity(command: CommandSpec, count: number): BuildError {
  const { min, max } = command.arity;
  const want =
    min === max
      ? String(min)
      : max === Infinity
        ? `at least ${min}`
        : count < min
          ? `at least ${min}`
          : `at most ${max}`;
  const plural = want.endsWith(' 1') || want === '1' ? 'argument' : 'arguments';
  return new BuildError('usage', `"${command.name}" takes ${want === '0' ? 'no' : want} ${plural}, got ${count}`, {
    hint: `usage: tsbuild ${command.name} [OPTIONS]${command.operands === '' ? '' : ` ${command.operands}`}`,
  });
}
