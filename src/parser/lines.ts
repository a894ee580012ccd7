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
    if (this.#pieces.length === 1)
      return { file: this.file, start: from, end: { line: from.line, column: from.column + end - start } };
    // The end belongs to the last character: what comes next may be on another line.
    const { line, column } = this.position(end - 1);
    return { file: this.file, start: from, end: { line, column: column + 1 } };
  }

  /** The place in the file of an offset in `text`. */
  position(offset: number): Position {
    const first = this.#pieces[0];
    if (first !== undefined && this.#pieces.length === 1) return { line: first.line, column: first.column + offset };
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

/** A byte order mark that is not at the start of the file is no white space for Docker. */
function withoutIndent(line: string): string {
  const content = line.trimStart();
  const mark = line.slice(0, line.length - content.length).indexOf('\ufeff');
  return mark === -1 ? content : line.slice(mark);
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
      const text = physical.trimStart();
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
      const text = this.#read();
      if (text === undefined) return undefined;
      if ((stripTabs ? text.replace(/^\t+/, '') : text) === terminator) {
        const end = { line: this.#line - 1, column: text.length + 1 };
        return { raw: this.#file.text.slice(start, bodyEnd), end };
      }
    }
  }

  #join(first: string, comments: string | undefined): LogicalLine {
    const content = withoutIndent(first);
    const pieces: Piece[] = [];
    let hasEmptyLine = false;
    let continues = this.#append(pieces, content, first.length - content.length);
    while (continues) {
      const text = this.#read();
      if (text === undefined) break;
      const rest = text.trimStart();
      if (rest === '') hasEmptyLine = true;
      else if (!rest.startsWith('#')) continues = this.#append(pieces, text, 0);
    }
    if (hasEmptyLine) this.#warnEmpty();
    return new LogicalLine(this.#file, pieces, comments);
  }

  /** Adds what the last line read has to say, which begins at `indent`; whether the next line belongs to it as well. */
  #append(pieces: Piece[], text: string, indent: number): boolean {
    const last = pieces.at(-1);
    const offset = last === undefined ? 0 : last.offset + last.text.length;
    const end = this.#continuation(text);
    const piece = end === undefined ? text : text.slice(0, end);
    pieces.push({ text: piece, offset, line: this.#line - 1, column: indent + 1 });
    return end !== undefined;
  }

  /** Docker says where the instruction ends. */
  #warnEmpty(): void {
    const place = { line: this.#line - 1, column: 1 };
    this.warnings.push({
      rule: 'NoEmptyContinuation',
      message: 'Empty continuation line',
      range: { file: this.#file, start: place, end: place },
    });
  }

  /** Where the escape character is that makes the line go on; a doubled one does not. */
  #continuation(text: string): number | undefined {
    let end = text.length;
    while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--;
    if (text[end - 1] !== this.#escape || text[end - 2] === this.#escape) return undefined;
    return end - 1;
  }

  /** The next physical line without its line end. */
  #read(): string | undefined {
    const { text } = this.#file;
    const start = this.#offset;
    if (start >= text.length) return undefined;
    const feed = text.indexOf('\n', start);
    let end = feed === -1 ? text.length : feed;
    // UTF-8 takes at most three bytes for a UTF-16 code unit.
    if ((end - start) * 3 > MAX_LINE_BYTES) {
      const bytes = Buffer.byteLength(text.slice(start, end));
      if (bytes > MAX_LINE_BYTES) throw lineTooLong(this.#file, this.#line, bytes, MAX_LINE_BYTES);
    }
    this.#offset = end + 1;
    this.#line++;
    while (end > start && text[end - 1] === '\r') end--;
    return text.slice(start, end);
  }
}
