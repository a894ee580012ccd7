/** Patterns in the language of Go's `filepath.Match`: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a character that stands for itself. */
import type { CharRange, GlobPiece } from './glob.ts';
import { Glob } from './glob.ts';

/** Reads a pattern; undefined if it is malformed. A star never crosses `/`. */
export function parseGoPattern(pattern: string): GlobPiece[] | undefined {
  const reader = new PatternReader(pattern);
  const pieces: GlobPiece[] = [];
  while (!reader.atEnd()) {
    const piece = reader.piece();
    if (piece === undefined) return undefined;
    appendPiece(pieces, piece);
  }
  return pieces;
}

/** The compiled pattern; undefined if it is malformed. */
export function compileGoPattern(pattern: string): Glob | undefined {
  const pieces = parseGoPattern(pattern);
  return pieces === undefined ? undefined : new Glob(pieces);
}

/** Whether a name or path holds a pattern character that isn't escaped. */
export function hasWildcard(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '*' || character === '?' || character === '[') return true;
  }
  return false;
}

/** Adds a piece, joining neighbouring literals. */
export function appendPiece(pieces: GlobPiece[], piece: GlobPiece): void {
  const last = pieces[pieces.length - 1];
  if (piece.kind === 'literal' && last?.kind === 'literal') {
    pieces[pieces.length - 1] = { kind: 'literal', text: last.text + piece.text };
  } else pieces.push(piece);
}

/** Takes a pattern apart, character by character. */
export class PatternReader {
  private readonly characters: readonly string[];
  private at = 0;

  constructor(pattern: string) {
    this.characters = Array.from(pattern);
  }

  atEnd(): boolean {
    return this.at >= this.characters.length;
  }

  /** Takes `text` if it comes next. */
  accept(text: string): boolean {
    const parts = Array.from(text);
    if (!parts.every((part, index) => this.characters[this.at + index] === part)) return false;
    this.at += parts.length;
    return true;
  }

  /** The next piece; undefined if the pattern is malformed here. */
  piece(): GlobPiece | undefined {
    const character = this.next();
    if (character === '*') return { kind: 'star' };
    if (character === '?') return { kind: 'any' };
    if (character === '[') return this.class();
    if (character !== '\\') return { kind: 'literal', text: character ?? '' };
    const escaped = this.next();
    return escaped === undefined ? undefined : { kind: 'literal', text: escaped };
  }

  private class(): GlobPiece | undefined {
    const negated = this.accept('^');
    const ranges: CharRange[] = [];
    while (ranges.length === 0 || !this.accept(']')) {
      const low = this.classCharacter();
      if (low === undefined) return undefined;
      const high = this.accept('-') ? this.classCharacter() : low;
      // A class that isn't closed is found out here, whichever character it ends with.
      if (high === undefined || this.atEnd()) return undefined;
      ranges.push({ low, high });
    }
    return { kind: 'class', negated, ranges };
  }

  private classCharacter(): number | undefined {
    const character = this.next();
    if (character === undefined || character === '-' || character === ']') return undefined;
    return (character === '\\' ? this.next() : character)?.codePointAt(0);
  }

  private next(): string | undefined {
    return this.characters[this.at++];
  }
}
