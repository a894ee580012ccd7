/**
 * `# syntax=`, `# escape=` and `# check=` at the top of a file.
 *
 * The zone ends at the first line that is not a known directive. `# syntax` and `# check` are also found below a `#!` line;
 * other frontends' files may name their syntax in a `//` comment or as a JSON member.
 */
import type { SourceFile, SourceRange } from '../core/source.ts';
import type { Directives, Located } from './types.ts';

import { duplicateDirective, foreignSyntax, invalidEscape } from './errors.ts';

const NAMES: ReadonlySet<string> = new Set(['syntax', 'escape', 'check']);
const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[^\S\n]*=[^\S\n]*(\S(?:[^\n]*\S)?)\s*$/;

export interface DirectiveZone {
  readonly directives: Directives;
  /** How many lines at the top are directives rather than comments. */
  readonly lines: number;
}

/** Errors: `invalid-directive` for one given twice or an unknown escape, `unsupported-feature` for a foreign file. */
export function readDirectives(file: SourceFile): DirectiveZone {
  const zone = readZone(file, 1, '#');
  const escape = zone.get('escape');
  if (escape !== undefined && escape.value !== '\\' && escape.value !== '`') throw invalidEscape(escape);
  const below = file.text.startsWith('#!') ? readZone(file, 2, '#') : zone;
  const syntax = below.get('syntax');
  const check = below.get('check');
  const foreign = syntax === undefined ? foreignSyntaxOf(file) : undefined;
  if (foreign !== undefined) throw foreignSyntax(foreign);
  const directives: Directives = {
    escape: escape?.value === '`' ? '`' : '\\',
    ...(syntax !== undefined && { syntax }),
    ...(check !== undefined && { check }),
  };
  return { directives, lines: zone.size };
}

function readZone(file: SourceFile, firstLine: number, comment: string): Map<string, Located<string>> {
  const found = new Map<string, Located<string>>();
  for (const { number, text } of linesFrom(file, firstLine)) {
    const line = text.trimStart();
    if (!line.startsWith(comment)) break;
    const content = line.slice(comment.length).trimStart();
    const [, name = '', value = ''] = DIRECTIVE.exec(content) ?? [];
    const key = name.toLowerCase();
    if (!NAMES.has(key)) break;
    const start = text.length - content.length;
    const valueStart = text.lastIndexOf(value);
    if (found.has(key)) throw duplicateDirective(key, rangeOf(file, number, start, valueStart + value.length));
    found.set(key, { value, range: rangeOf(file, number, valueStart, valueStart + value.length) });
  }
  return found;
}

/** The syntax that a file for another frontend asks for. */
function foreignSyntaxOf(file: SourceFile): Located<string> | undefined {
  const firstLine = file.text.startsWith('#!') ? 2 : 1;
  const syntax = readZone(file, firstLine, '//').get('syntax');
  if (syntax !== undefined) return syntax;
  const start = firstLine === 1 ? 0 : file.text.indexOf('\n') + 1;
  const json = file.text.slice(start).trim();
  if (!json.startsWith('{') || !json.endsWith('}')) return undefined;
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed !== 'object' || parsed === null || !('syntax' in parsed) || typeof parsed.syntax !== 'string')
      return undefined;
    return { value: parsed.syntax, range: rangeOf(file, firstLine, 0, 1) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function* linesFrom(file: SourceFile, firstLine: number): Generator<{ number: number; text: string }> {
  let offset = 0;
  for (let number = 1; offset < file.text.length; number++) {
    const feed = file.text.indexOf('\n', offset);
    const end = feed === -1 ? file.text.length : feed;
    if (number >= firstLine) yield { number, text: file.text.slice(offset, end).replace(/\r+$/, '') };
    offset = end + 1;
  }
}

function rangeOf(file: SourceFile, line: number, start: number, end: number): SourceRange {
  return { file, start: { line, column: start + 1 }, end: { line, column: end + 1 } };
}
