/** Places in a source text, and how they are shown to a person. */
import { withoutPasswords } from './redact.ts';

/** A place in a text: both counted from 1; `column` in UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A text that ranges point into; `name` is what the user called it (a path, or `-`). */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** From `start` up to, but not including, `end`. */
export interface SourceRange {
  readonly file: SourceFile;
  readonly start: Position;
  readonly end: Position;
}

/** `Dockerfile:12` or, with a column, `Dockerfile:12:5`. */
export function formatLocation(range: SourceRange, withColumn = false): string {
  const { file, start } = range;
  return withColumn ? `${file.name}:${start.line}:${start.column}` : `${file.name}:${start.line}`;
}

const MAX_FRAME_LINES = 12;
const MAX_FRAME_WIDTH = 160;

/**
 * The lines of `range` with `context` lines around them. Lines in the range are marked with `>>>`;
 * a range within one line also gets carets below.
 */
export function codeFrame(range: SourceRange, context = 1): string {
  const lines = range.file.text.split('\n');
  const { start, end } = range;
  const lastLine = Math.max(start.line, end.column === 1 && end.line > start.line ? end.line - 1 : end.line);
  const first = Math.max(1, start.line - context);
  const last = Math.min(lines.length, lastLine + context);
  const width = String(last).length;
  const out: string[] = [];
  for (let number = first; number <= last; number++) {
    if (out.length >= MAX_FRAME_LINES && number < last) {
      out.push(`${' '.repeat(width + 5)}| ...`);
      break;
    }
    const inside = number >= start.line && number <= lastLine;
    const line = printable(lines[number - 1] ?? '');
    const text = withoutPasswords(line).slice(0, MAX_FRAME_WIDTH);
    out.push(`${String(number).padStart(width)} ${inside ? '>>>' : '   '} | ${text}`.trimEnd());
    const from = shownLength(line, start.column - 1);
    if (inside && start.line === lastLine && from < MAX_FRAME_WIDTH) {
      const to = end.line === start.line ? shownLength(line, end.column - 1) : from + 1;
      const length = Math.max(1, Math.min(to, text.length) - from);
      out.push(`${' '.repeat(width + 5)}| ${' '.repeat(from)}${'^'.repeat(length)}`);
    }
  }
  return out.join('\n');
}

/** How long the first `length` characters of a line are once its passwords are taken out. */
function shownLength(line: string, length: number): number {
  return withoutPasswords(line.slice(0, length)).length;
}

/** One column a character, and nothing that a terminal would act upon. */
function printable(line: string): string {
  return line
    .replace(/\r$/, '')
    .replace(/\t/g, ' ')
    .replace(/\p{Cc}/gu, '\ufffd');
}
