/** Which checks are made: `# check=skip=A,B;error=true;experimental=C`. */
import { BuildError } from '../../core/errors.ts';
import type { Directives } from '../types.ts';
import type { RuleName } from './rules.ts';
import { ruleNamed } from './rules.ts';

type Names = 'all' | ReadonlySet<string>;

export interface CheckOptions {
  readonly skip: Names;
  /** Experimental checks to make. `skip` does not apply to them. */
  readonly experimental: Names;
  /** A finding fails the build. */
  readonly error: boolean;
}

/** The build argument that replaces the directive. */
export const CHECK_ARG = 'BUILDKIT_DOCKERFILE_CHECK';

const NONE: CheckOptions = { skip: new Set(), experimental: new Set(), error: false };

/**
 * The options of a build: those of the build argument if it is given, else of the directive. Unknown rules are let pass, since a later
 * version may have them. Throws `invalid-directive`, or `usage` for the argument.
 */
export function checkOptionsOf(directives: Directives, buildArgs: ReadonlyMap<string, string>): CheckOptions {
  const argument = buildArgs.get(CHECK_ARG);
  if (argument !== undefined) {
    return readOptions(
      argument,
      (why) => new BuildError('usage', `Cannot use the build argument ${CHECK_ARG}: ${why}`),
    );
  }
  const { check } = directives;
  if (check === undefined) return NONE;
  return readOptions(
    check.value,
    (why) =>
      new BuildError('invalid-directive', `Cannot use the directive "check": ${why}`, { locations: [check.range] }),
  );
}

/** The options in the comment above an instruction, for it alone; a comment that only looks like some is a comment. */
export function checkOptionsAbove(docComment: string | undefined): CheckOptions {
  const text = docComment?.split('\n').findLast(isCheckComment);
  if (text === undefined) return NONE;
  try {
    return readOptions(text.slice(text.indexOf('=') + 1), () => new BuildError('invalid-directive', 'no options'));
  } catch (error) {
    if (error instanceof BuildError) return NONE;
    throw error;
  }
}

/** Whether a line of a comment holds options of checks, and so describes nothing. */
export function isCheckComment(line: string): boolean {
  return /^check\s*=/i.test(line);
}

/** Whether `options` of the file and `above`, those of the instruction, ask for a rule. */
export function isChecked(name: RuleName, options: CheckOptions, above: CheckOptions): boolean {
  return ruleNamed(name).experimental
    ? includes(options.experimental, name) || includes(above.experimental, name)
    : !includes(options.skip, name) && !includes(above.skip, name);
}

function includes(names: Names, name: string): boolean {
  return names === 'all' || names.has(name);
}

function readOptions(text: string, fail: (why: string) => BuildError): CheckOptions {
  const options: { -readonly [K in keyof CheckOptions]: CheckOptions[K] } = { ...NONE };
  if (text.trim() === '') return options;
  for (const part of text.split(';')) {
    const equals = part.indexOf('=');
    const key = (equals < 0 ? part : part.slice(0, equals)).trim();
    const value = equals < 0 ? undefined : part.slice(equals + 1).trim();
    switch (value === undefined ? '' : key) {
      case 'skip':
        options.skip = readNames(value ?? '');
        break;
      case 'experimental':
        options.experimental = readNames(value ?? '');
        break;
      case 'error':
        options.error = readBoolean(value ?? '', fail);
        break;
      default:
        throw fail(`unknown option "${part.trim()}": want skip=, error= or experimental=`);
    }
  }
  return options;
}

function readNames(text: string): Names {
  return text === 'all' ? 'all' : new Set(text.split(',').map((name) => name.trim()));
}

/** As Go's strconv.ParseBool. */
function readBoolean(text: string, fail: (why: string) => BuildError): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw fail(`"${text}" is no value for "error": want true or false`);
}
