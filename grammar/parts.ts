/**
 * What is inside a token: the words of a shell command, the strings of a JSON array.
 *
 * The grammar has no use for them, and neither have most readers of a Dockerfile: only a `<<` makes a command's words
 * matter, and only COPY, ADD and VOLUME have to know where a string is.
 */
import moo from 'moo';

import type { Token, TokenType } from './syntax.ts';
import { BLANK } from './patterns.ts';
import { NO_TOKENS } from './syntax.ts';

/** Pieces of words. Alternatives begin with different characters, so that matching never goes back. */
const SINGLE = String.raw`'[^'\n]*'`;
const DOUBLE = String.raw`"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"`;
/** One level of nesting is what people write; deeper ones fall apart into words, which only matters for a `<<` inside. */
const BRACED = String.raw`\$\{[^{}\\\n]*(?:(?:\\[^\n]|\{[^{}\n]*\})[^{}\\\n]*)*\}`;

/** A word as Docker's shell lexer sees it, when it looks for heredocs. */
const SHELL_WORD = new RegExp(String.raw`(?:[^${BLANK}\n'"\\$]|\\[^\n]|\\(?![^\n])|${SINGLE}|${DOUBLE}|${BRACED}|\$)+`);
export const HEREDOC_WORD = new RegExp(
  String.raw`[0-9]*<<(?!-(?:[${BLANK}]|(?![^\n])))-?(?:[^${BLANK}\n'"\\<]|\\[^\n<]|'[^'\n<]*'|"[^"\n<]*")+(?![^${BLANK}])`,
);
const HEREDOC = /^[0-9]*<<(?!-$)-?[^<]+$/;
const LONE_MARKER = /^[0-9]*<<$/;

/** A JSON string's value. */
function decode(text: string): string {
  return text.includes('\\') ? wellFormed(String(JSON.parse(text))) : text.slice(1, -1);
}

/** As Go decodes JSON: half a surrogate pair, which only an escape can write, becomes a replacement character. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

function createShellLexer(): moo.Lexer {
  return moo.compile({
    blank: new RegExp(`[${BLANK}]+`),
    word: { match: SHELL_WORD, type: (text) => (HEREDOC.test(text) ? 'heredoc' : 'word') },
    stray: /['"]/,
  });
}

function createArrayLexer(): moo.Lexer {
  return moo.compile({
    blank: new RegExp(`[${BLANK}]+`),
    open: '[',
    close: ']',
    comma: ',',
    string: { match: /"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"/, value: decode },
    notString: /[^\t\r ",[\]\n]+/,
  });
}

let shellLexer: moo.Lexer | undefined;
let arrayLexer: moo.Lexer | undefined;

/** A shell command's heredoc markers. With a quote that is never closed its words are unknown, so nothing counts as one. */
export function markersIn(text: Token): readonly Token[] {
  if (!text.text.includes('<<')) return NO_TOKENS;
  const words = partsOf(text, (shellLexer ??= createShellLexer()));
  return words.some((word) => word.type === 'stray')
    ? []
    : words.flatMap((word, i) => markerAt(text, word, words[i + 1]));
}

/** A marker's name may be the next word, but not after `<<-`. */
function markerAt(text: Token, word: Token, next: Token | undefined): readonly Token[] {
  if (word.type === 'heredoc') return [word];
  if (!LONE_MARKER.test(word.text) || next === undefined || next.text.includes('<')) return NO_TOKENS;
  const marker = text.text.slice(word.offset - text.offset, next.offset + next.text.length - text.offset);
  return [{ ...word, type: 'heredoc', text: marker, value: marker }];
}

/** The strings of a `json` token, each with its place. */
export function stringsIn(array: Token): readonly Token[] {
  return partsOf(array, (arrayLexer ??= createArrayLexer())).filter((part) => part.type === 'string');
}

/** What is not a string in an `array` token; of several the first. */
export function notStringIn(array: Token): Token {
  const parts = partsOf(array, (arrayLexer ??= createArrayLexer()));
  const wrong = parts.find((part, index) => index > 0 && part.type !== 'string' && part.type !== 'comma');
  if (wrong === undefined) throw new Error(`A JSON array has only strings: ${array.text}`);
  return wrong;
}

function partsOf(token: Token, lexer: moo.Lexer): Token[] {
  const parts: Token[] = [];
  lexer.reset(token.text);
  for (let part = lexer.next(); part !== undefined; part = lexer.next()) {
    if (part.type === 'blank') continue;
    // Both lexers' rule names and transforms are token types, or `blank`.
    const type = part.type as TokenType;
    parts.push({ type, text: part.text, value: part.value, offset: token.offset + part.offset, parts: NO_TOKENS });
  }
  return parts;
}
