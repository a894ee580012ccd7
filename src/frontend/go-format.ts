/** Values as Go prints them: history texts are compared with what Docker writes. */

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "'": "\\'",
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** `%q` of a string. */
export function goQuote(text: string): string {
  return `"${text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, escape)}"`;
}

/** `%q` of a whole number: the character with that code. */
export function goQuoteRune(code: number): string {
  const isCharacter = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  const character = String.fromCodePoint(isCharacter ? code : 0xfffd);
  return `'${character.replace(/['\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, escape)}'`;
}

function escape(character: string): string {
  const short = SHORT_ESCAPES[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}

/** `%q` of strings: `["a" "b"]`. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(' ')}]`;
}

/** `%v` of strings: `[a b]`. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(' ')}]`;
}

/** `%v` of a time.Duration in nanoseconds: `1m30s`, `500ms`, `0s`. */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const hours = Math.floor(nanoseconds / 3600e9);
  const minutes = Math.floor(nanoseconds / 60e9) % 60;
  const seconds = (nanoseconds % 60e9) / 1e9;
  const short = `${seconds}s`;
  if (hours > 0) return `${hours}h${minutes}m${short}`;
  return minutes > 0 ? `${minutes}m${short}` : short;
}
