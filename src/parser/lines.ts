/**
 * Physical lines to logical ones: continuations joined, comments and blank lines between them dropped, heredoc bodies cut out.
 *
 * Every offset in a logical line can be traced to its place in the file.
 */
import type { Position, SourceFile, SourceRange } from '../core/source.ts';
import type { ParseWarning } from './types.ts';

import { lineTooLong } from './errors.ts';

/** Docker's limit for a line, without its line feed. */
const MAX_LINE_BYTES = 65535;

/** One instruction's text. */
export class LogicalLine {
  readonly file: SourceFile;
  readonly text: string;
  /** The comment lines above, without `#`, joined by line feeds. */
  readonly comments: string | undefined;
  /** For each piece of the text: where it begins in the text, and where in the file. */
  readonly #pieces: readonly Piece[];

  constructor(file: SourceFile, pieces: readonly Piece[], comments: string | undefined) {
    this.file = file;
    this.text = pieces.length === 1 ? (pieces[0]?.text ?? '') : pieces.map((piece) => piece.text).join('');
    this.comments = comments;
    this.#pieces = pieces;
  }

  /** The place in the file of `[start, end)`, offsets in `text`. */
  range(start: number, end: number): SourceRange {
    const from = this.position(start);
    if (end <= start) return { file: this.file, start: from, end: from };
    // The end belongs to the last character: what comes next may be on another line.
    const { line, column } = this.position(end - 1);
    return { file: this.file, start: from, end: { line, column: column + 1 } };
  }

  /** The place in the file of an offset in `text`. */
  position(offset: number): Position {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const piece = this.#pieces[low];
    if (piece === undefined) throw new Error('A logical line has no text');
    return { line: piece.line, column: piece.column + offset - piece.offset };
  }
}

interface Piece {
  readonly text: string;
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

/** A heredoc's body: `raw` with its line ends, and where it and its terminator end. */
export interface Body {
  readonly raw: string;
  readonly end: Position;
}

/** Reads a file once from top to bottom. */
export class LineReader {
  readonly warnings: ParseWarning[] = [];
  readonly #file: SourceFile;
  readonly #escape: string;
  readonly #directives: number;
  /** Where the next physical line begins, and its number. */
  #offset = 0;
  #line = 1;

  /** The first `directives` lines say how to read the file and are no comments on what follows. */
  constructor(file: SourceFile, escape: '\\' | '`', directives: number) {
    this.#file = file;
    this.#escape = escape;
    this.#directives = directives;
  }

  /** The next instruction's text, or `undefined` at the end of the file. */
  next(): LogicalLine | undefined {
    let comments: string[] = [];
    for (let physical = this.#read(); physical !== undefined; physical = this.#read()) {
      const text = withoutLineEnd(physical).trimStart();
      if (text.startsWith('#')) {
        // Blank lines do not part a comment from its instruction, an empty comment does.
        const comment = text.slice(1).trim();
        if (comment === '') comments = [];
        else if (this.#line - 1 > this.#directives) comments.push(comment);
      } else if (text !== '') {
        const line = this.#join(physical, comments.length > 0 ? comments.join('\n') : undefined);
        if (line.text.trim() !== '') return line;
      }
    }
    return undefined;
  }

  /** The lines up to `terminator`, or `undefined` if the file ends before it. */
  readBody(terminator: string, stripTabs: boolean): Body | undefined {
    const start = this.#offset;
    for (;;) {
      const bodyEnd = this.#offset;
      const physical = this.#read();
      if (physical === undefined) return undefined;
      const text = withoutLineEnd(physical);
      if ((stripTabs ? text.replace(/^\t+/, '') : text) === terminator) {
        const end = { line: this.#line - 1, column: text.length + 1 };
        return { raw: this.#file.text.slice(start, bodyEnd), end };
      }
    }
  }

  #join(first: string, comments: string | undefined): LogicalLine {
    const pieces: Piece[] = [];
    let offset = 0;
    let physical: string | undefined = first;
    let emptyLine: number | undefined;
    let leading = true;
    for (; physical !== undefined; physical = this.#read()) {
      let text = withoutLineEnd(physical);
      if (!leading) {
        const content = text.trimStart();
        if (content.startsWith('#')) continue;
        if (content === '') {
          emptyLine ??= this.#line - 1;
          continue;
        }
      }
      const continues = this.#continuation(text);
      if (continues !== undefined) text = text.slice(0, continues);
      const indent = leading ? text.length - text.trimStart().length : 0;
      text = text.slice(indent);
      pieces.push({ text, offset, line: this.#line - 1, column: indent + 1 });
      offset += text.length;
      leading = false;
      if (continues === undefined) break;
    }
    if (emptyLine !== undefined) {
      const place = { line: emptyLine, column: 1 };
      this.warnings.push({
        rule: 'NoEmptyContinuation',
        message: 'Empty continuation line',
        range: { file: this.#file, start: place, end: place },
      });
    }
    return new LogicalLine(this.#file, pieces, comments);
  }

  /** Where the escape character is that makes the line go on; a doubled one does not. */
  #continuation(text: string): number | undefined {
    let end = text.length;
    while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--;
    if (text[end - 1] !== this.#escape || text[end - 2] === this.#escape) return undefined;
    return end - 1;
  }

  /** The next physical line with its line feed. */
  #read(): string | undefined {
    const { text } = this.#file;
    if (this.#offset >= text.length) return undefined;
    const feed = text.indexOf('\n', this.#offset);
    const end = feed === -1 ? text.length : feed + 1;
    const line = text.slice(this.#offset, end);
    // UTF-8 takes at most three bytes for a UTF-16 code unit.
    const length = feed === -1 ? line.length : line.length - 1;
    if (length * 3 > MAX_LINE_BYTES) {
      const bytes = Buffer.byteLength(line) - (line.length - length);
      if (bytes > MAX_LINE_BYTES) throw lineTooLong(this.#file, this.#line, bytes, MAX_LINE_BYTES);
    }
    this.#offset = end;
    this.#line++;
    return line;
  }
}

function withoutLineEnd(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end--;
  return line.slice(0, end);
}
