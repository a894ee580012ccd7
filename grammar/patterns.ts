/** What words are made of: the patterns that lexer.ts and parts.ts share. */

/** What separates words where Docker splits by pattern, and where it splits by Unicode class. */
export const BLANK = String.raw`\t\v\f\r `;
export const SPACE = String.raw`\t\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

const SPACES = new RegExp(`[${SPACE}]*`, 'y');

/** Where the blanks that begin at `offset` end. */
export function blanksEnd(text: string, offset: number): number {
  let end = offset;
  for (let code = text.charCodeAt(end); code === 32 || (code >= 9 && code <= 13 && code !== 10);) {
    code = text.charCodeAt(++end);
  }
  return end;
}

/** The same for all of Unicode's spaces. */
export function spacesEnd(text: string, offset: number): number {
  const end = blanksEnd(text, offset);
  if (!(text.charCodeAt(end) >= 0x85)) return end;
  SPACES.lastIndex = offset;
  SPACES.test(text);
  return SPACES.lastIndex;
}

/** A word of ENV, LABEL and ARG, for one escape character; a quote that is not closed takes the rest of the line. */
export function valueWord(escape: string): string {
  const e = escape === '\\' ? '\\\\' : escape;
  const single = String.raw`'[^'\n]*(?:'|(?![^\n]))`;
  const double = String.raw`"[^"${e}\n]*(?:${e}[^\n][^"${e}\n]*)*(?:"|${e}?(?![^\n]))`;
  return String.raw`(?:[^${SPACE}\n'"${e}]|${e}[^\n]|${e}(?![^\n])|${single}|${double})+`;
}
