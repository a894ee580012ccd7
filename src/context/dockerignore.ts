/**
 * Ignore files: which part of a directory is the build context.
 *
 * One pattern a line; `#` at the very start of a line makes it a comment. Patterns are trimmed and cleaned like paths, a leading slash
 * means nothing.
 */
import { BuildError } from '../core/errors.ts';
import { cleanPath } from '../core/paths.ts';
import type { SourceFile } from '../core/source.ts';
import type { MatchState, Pattern } from './pattern-list.ts';
import { compilePattern, PatternList } from './pattern-list.ts';

export interface IgnoreRules {
  readonly patterns: PatternList;
  /** The ignore file's name as the user knows it. */
  readonly name: string;
}

/** The rules of an ignore file; throws `invalid-ignore-pattern` pointing at the line. */
export function parseDockerignore(file: SourceFile): IgnoreRules {
  const patterns: Pattern[] = [];
  const lines = file.text.split('\n');
  lines.forEach((line, index) => {
    const text = index === 0 ? line.replace(/^\ufeff/, '') : line;
    if (text.startsWith('#') || text.trim() === '') return;
    patterns.push(parsePattern(text, withoutSlash) ?? fail(file, index + 1, line));
  });
  return { patterns: new PatternList(patterns), name: file.name };
}

/** The patterns of `--exclude`, in order; here a leading slash counts, and matches nothing. Throws `invalid-ignore-pattern`. */
export function parseExcludes(texts: readonly string[]): PatternList {
  const patterns = texts
    .filter((text) => text.trim() !== '')
    .map((text) => {
      const pattern = parsePattern(text, (cleaned) => cleaned);
      if (pattern === undefined) {
        throw new BuildError(
          'invalid-ignore-pattern',
          `Cannot read the exclude pattern "${text}": syntax error in pattern`,
        );
      }
      return pattern;
    });
  return new PatternList(patterns);
}

/** The state of a rooted path (`/a/b`); the root is never excluded. */
export function ignoreState(rules: IgnoreRules, path: string, parent?: MatchState): MatchState {
  return rules.patterns.match(path.slice(1), parent);
}

function parsePattern(text: string, simplify: (cleaned: string) => string): Pattern | undefined {
  const trimmed = text.trim();
  const exception = trimmed.startsWith('!');
  const body = exception ? trimmed.slice(1).trim() : trimmed;
  if (body === '') return undefined;
  const relative = simplify(cleanPath(body));
  const matcher = compilePattern(relative);
  return matcher === undefined ? undefined : { text: relative, exception, matcher };
}

function withoutSlash(cleaned: string): string {
  return cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
}

function fail(file: SourceFile, line: number, text: string): never {
  const pattern = text.trim();
  throw new BuildError(
    'invalid-ignore-pattern',
    `Cannot read the pattern "${pattern}" in ${file.name}: syntax error in pattern`,
    {
      locations: [{ file, start: { line, column: 1 }, end: { line, column: text.length + 1 } }],
      ...(pattern === '!' && { hint: 'write the pattern to take back after the "!"' }),
    },
  );
}
