/** What can be wrong with a Dockerfile's text: one factory for each situation. */
import type { SourceFile, SourceRange } from '../core/source.ts';
import type { Located } from './types.ts';

import { BuildError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';

const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);

function didYouMean(word: string, options: Iterable<string>): { hint: string } | undefined {
  const nearest = suggest(word, options);
  return nearest === undefined ? undefined : { hint: `did you mean ${nearest}?` };
}

function top(file: SourceFile): SourceRange {
  const start = { line: 1, column: 1 };
  return { file, start, end: start };
}

// The file as a whole

export function noInstructions(file: SourceFile): BuildError {
  return new BuildError('dockerfile-empty', `The file has no instructions: want at least a FROM`, {
    locations: [top(file)],
  });
}

export function noStage(file: SourceFile): BuildError {
  return new BuildError('dockerfile-empty', `The file has no FROM, so there is no build stage`, {
    locations: [top(file)],
  });
}

export function beforeFrom(keyword: string, range: SourceRange): BuildError {
  return new BuildError('dockerfile-syntax', `Cannot use ${keyword} before the first FROM: only ARG may come there`, {
    locations: [range],
  });
}

export function lineTooLong(file: SourceFile, line: number, bytes: number, limit: number): BuildError {
  const place = { line, column: 1 };
  return new BuildError('dockerfile-syntax', `Cannot read a line of ${bytes} bytes: the limit is ${limit}`, {
    locations: [{ file, start: place, end: place }],
    hint: 'split the line with continuations, or COPY a script instead',
  });
}

// Directives

export function duplicateDirective(name: string, range: SourceRange): BuildError {
  return new BuildError('invalid-directive', `Cannot set the ${name} directive twice`, { locations: [range] });
}

export function invalidEscape({ value, range }: Located<string>): BuildError {
  return new BuildError('invalid-directive', `Cannot use ${quote(value)} as the escape character: want \\ or \``, {
    locations: [range],
  });
}

export function foreignSyntax({ value, range }: Located<string>): BuildError {
  return new BuildError(
    'unsupported-feature',
    `Cannot read a file for the frontend ${quote(value)}: only Dockerfiles are built in`,
    {
      locations: [range],
    },
  );
}

// Instructions

export function unknownInstruction(word: string, range: SourceRange, known: readonly string[]): BuildError {
  return new BuildError('unknown-instruction', `Unknown instruction ${quote(word)}`, {
    locations: [range],
    ...(didYouMean(word, known) ?? { hint: `want one of ${known.join(', ')}` }),
  });
}

export function missingArgument(keyword: string, want: string, range: SourceRange): BuildError {
  return new BuildError('missing-argument', `${keyword} needs ${want}`, { locations: [range] });
}

export function unexpectedArgument(keyword: string, text: string, want: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `Unexpected ${quote(text)} in ${keyword}: want ${want}`, {
    locations: [range],
  });
}

export function missingEquals(keyword: string, text: string, range: SourceRange): BuildError {
  return new BuildError('dockerfile-syntax', `Cannot find "=" in ${quote(text)}: ${keyword} wants name=value`, {
    locations: [range],
    hint: 'quote a value that has blanks: name="some value"',
  });
}

export function missingValue(keyword: string, name: string, range: SourceRange): BuildError {
  return new BuildError('missing-argument', `${keyword} needs a value for ${quote(name)}: want name=value`, {
    locations: [range],
  });
}

export function blankName(keyword: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `${keyword} needs a name before "="`, { locations: [range] });
}

export function notStrings(keyword: string, text: string, range: SourceRange): BuildError {
  return new BuildError(
    'invalid-argument',
    `Unexpected ${quote(text)} in the JSON array of ${keyword}: want strings only`,
    {
      locations: [range],
    },
  );
}

export function notJson(keyword: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `${keyword} needs a JSON array of strings`, {
    locations: [range],
    hint: `write it as ${keyword} ["/bin/sh", "-c"], with double quotes`,
  });
}

export function invalidStageName(name: string, range: SourceRange): BuildError {
  return new BuildError(
    'invalid-argument',
    `Invalid stage name ${quote(name)}: want a letter, then letters and digits, with "-", "_" or "." between them`,
    { locations: [range] },
  );
}

export function refusedTrigger(keyword: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `ONBUILD cannot store ${keyword}`, { locations: [range] });
}

export function severalTriggers(range: SourceRange): BuildError {
  return new BuildError('invalid-argument', 'An ONBUILD trigger must be a single instruction', { locations: [range] });
}

export function unterminatedHeredoc(name: string, range: SourceRange): BuildError {
  return new BuildError('unterminated-heredoc', `Cannot find the end of the heredoc: no line is ${quote(name)} alone`, {
    locations: [range],
  });
}

export function heredocDestination(keyword: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `${keyword} cannot have a heredoc as its destination`, {
    locations: [range],
  });
}

export function emptyPath(keyword: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `${keyword} needs a path that is not empty`, { locations: [range] });
}

export function invalidCheck(text: string, range: SourceRange): BuildError {
  return new BuildError('invalid-argument', `Unknown HEALTHCHECK type ${quote(text)}: want CMD or NONE`, {
    locations: [range],
    ...didYouMean(text, ['CMD', 'NONE']),
  });
}

// Flags

export function unknownFlag(keyword: string, name: string, range: SourceRange, known: readonly string[]): BuildError {
  const flags = known.map((flag) => `--${flag}`);
  const all = `${keyword} takes ${flags.length === 0 ? 'no flags' : flags.join(', ')}`;
  return new BuildError('unknown-flag', `Unknown flag ${quote(`--${name}`)} for ${keyword}`, {
    locations: [range],
    ...(didYouMean(`--${name}`, flags) ?? { hint: all }),
  });
}

export function repeatedFlag(name: string, range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `Cannot give --${name} twice`, { locations: [range] });
}

export function flagWithoutValue(name: string, range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `The flag --${name} needs a value: want --${name}=VALUE`, {
    locations: [range],
  });
}

export function invalidBoolean(name: string, value: string, range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `Invalid value ${quote(value)} for --${name}: want true or false`, {
    locations: [range],
  });
}

export function invalidChoice(name: string, value: string, choices: readonly string[], range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `Invalid value ${quote(value)} for --${name}: want ${choices.join(', ')}`, {
    locations: [range],
    ...didYouMean(value, choices),
  });
}

export function variableInFrom(name: string, value: string, range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `Cannot expand variables in ${name}: ${quote(value)} has to be a fixed name`, {
    locations: [range],
    hint: 'define a stage with FROM $variable AS name, and use that name',
  });
}

export function invalidDuration(name: string, value: string, range: SourceRange): BuildError {
  return new BuildError(
    'invalid-flag',
    `Invalid duration ${quote(value)} for --${name}: want a number and unit, such as 1m30s`,
    {
      locations: [range],
    },
  );
}

export function durationTooShort(name: string, value: string, range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `Duration ${quote(value)} for --${name} is too short: want at least 1ms`, {
    locations: [range],
  });
}

export function invalidRetries(value: string, range: SourceRange): BuildError {
  return new BuildError('invalid-flag', `Invalid value ${quote(value)} for --retries: want a whole number from 0`, {
    locations: [range],
  });
}

// RUN --mount

export function invalidMountList(value: string, range: SourceRange): BuildError {
  return new BuildError(
    'invalid-flag',
    `Cannot read the mount ${quote(value)}: want key=value pairs with commas between them`,
    {
      locations: [range],
    },
  );
}
