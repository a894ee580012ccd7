/**
 * Docker's expansion of words by the builder: quotes, escapes, `$name` and `${name…}`.
 *
 *     expandWord({ text: '"$A"/${B:-b}', range }, lookup, { escape: '\\' })   →   { value: 'a/b', unset: ['B'] }
 *
 * It looks like a shell's and differs: `$$`, `$1` and the like are variables that nobody sets, the word after `:-` is expanded even if it
 * is not needed, and a backslash inside double quotes stays unless it stands before `"`, `$` or itself.
 */
import { BuildError } from '../core/errors.ts';
import type { SourceRange } from '../core/source.ts';
import { parsePattern, replacePattern, trimPrefix, trimSuffix } from './shell-pattern.ts';
import type { Word } from './types.ts';

/** The value of a variable, undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  /** The escape character of the Dockerfile. */
  readonly escape: '\\' | '`';
  /**
   * `remove` (the default): quotes group and disappear. `keep`: they group and stay. `none`: they are text like any other, as in a
   * heredoc.
   */
  readonly quotes?: 'remove' | 'keep' | 'none';
  /** Leave references to unset variables as they are written. */
  readonly keepUnset?: boolean;
}

export interface Expansion {
  readonly value: string;
  /** Names that were looked up and not found, each once. */
  readonly unset: readonly string[];
}

/** Expands to one value. Throws `invalid-substitution`, or `required-variable` for `${v:?…}`, pointing at the place. */
export function expandWord(word: Word, lookup: Lookup, options: ExpandOptions): Expansion {
  const expander = new Expander(word, lookup, options);
  const value = expander.expandAll().text;
  return { value, unset: [...expander.unset] };
}

/** Expands and splits at white space that is neither quoted nor escaped; what variables hold is split as well. */
export function expandWords(
  word: Word,
  lookup: Lookup,
  options: ExpandOptions,
): { readonly words: readonly string[]; readonly unset: readonly string[] } {
  const expander = new Expander(word, lookup, options);
  const words = expander.expandAll().words();
  return { words, unset: [...expander.unset] };
}

/** References inside references; deeper ones would only exhaust the stack. */
const MAX_NESTING = 100;
/** How much variables may add to a word: one that doubles itself line by line would fill the memory. */
const MAX_EXPANDED_CHARACTERS = 1 << 20;
const NAME_CHARACTER = /[\p{L}\p{Nd}_]/u;
const DIGIT = /\p{Nd}/u;
const SPECIAL_NAMES = '@*#?-$!';

/** Collects a value and, beside it, where it may be split. */
class Output {
  #text = '';
  #words: string[] = [];
  #word = '';

  get text(): string {
    return this.#text;
  }

  /** Text that white space splits. */
  add(text: string): void {
    this.#text += text;
    const [first = '', ...rest] = text.split(/\s+/u);
    this.#word += first;
    for (const part of rest) {
      this.#endWord();
      this.#word = part;
    }
  }

  /** Quoted text. */
  addWhole(text: string): void {
    this.#text += text;
    this.#word += text;
  }

  words(): readonly string[] {
    this.#endWord();
    return this.#words;
  }

  #endWord(): void {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
  }
}

class Expander {
  readonly unset = new Set<string>();
  readonly #word: Word;
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  readonly #quotes: 'remove' | 'keep' | 'none';
  readonly #keepUnset: boolean;
  #position = 0;
  #nesting = 0;
  #expandedCharacters = 0;

  constructor(word: Word, lookup: Lookup, options: ExpandOptions) {
    this.#word = word;
    this.#text = word.text;
    this.#lookup = lookup;
    this.#escape = options.escape;
    this.#quotes = options.quotes ?? 'remove';
    this.#keepUnset = options.keepUnset === true;
  }

  expandAll(): Output {
    return this.#expandTo(undefined, false);
  }

  /** Expands up to `stop`, which is consumed, or to the end; undefined means that `stop` never came. */
  #expandUntil(stop: string, rawEscapes: boolean): string | undefined {
    const out = this.#expandTo(stop, rawEscapes);
    if (this.#text[this.#position] !== stop) return undefined;
    this.#position++;
    return out.text;
  }

  #expandTo(stop: string | undefined, rawEscapes: boolean): Output {
    const out = new Output();
    while (this.#position < this.#text.length) {
      const character = this.#next();
      if (character === stop) {
        this.#position -= character.length;
        break;
      }
      if (character === '$') out.add(this.#dollar(this.#position - 1));
      else if (character === "'" && this.#quotes !== 'none') out.addWhole(this.#singleQuoted());
      else if (character === '"' && this.#quotes !== 'none') out.addWhole(this.#doubleQuoted(rawEscapes));
      else if (character === this.#escape) {
        if (rawEscapes) out.addWhole(character);
        out.addWhole(this.#next());
      } else out.add(character);
    }
    return out;
  }

  #singleQuoted(): string {
    const opened = this.#position - 1;
    const close = this.#text.indexOf("'", this.#position);
    if (close < 0) throw this.#error(opened, "a single quote (') is not closed");
    const inner = this.#text.slice(this.#position, close);
    this.#position = close + 1;
    return this.#quotes === 'keep' ? `'${inner}'` : inner;
  }

  #doubleQuoted(rawEscapes: boolean): string {
    const opened = this.#position - 1;
    let inner = '';
    for (;;) {
      if (this.#position >= this.#text.length) throw this.#error(opened, 'a double quote (") is not closed');
      const character = this.#next();
      if (character === '"') break;
      if (character === '$') inner += this.#dollar(this.#position - 1);
      else if (character === this.#escape) {
        if (rawEscapes) inner += character;
        const next = this.#text[this.#position];
        if (next === undefined) continue;
        inner += next === '"' || next === '$' || next === this.#escape ? this.#next() : character;
      } else inner += character;
    }
    return this.#quotes === 'keep' ? `"${inner}"` : inner;
  }

  /** After a `$` at `start`. */
  #dollar(start: number): string {
    if (this.#text[this.#position] === '{') return this.#braced(start);
    const name = this.#name();
    if (name === '') return '$';
    return this.#resolve(start, name, (value) => value ?? '');
  }

  #braced(start: number): string {
    if (++this.#nesting > MAX_NESTING) throw this.#error(start, 'references are nested too deeply');
    const value = this.#bracedBody(start);
    this.#nesting--;
    return value;
  }

  #bracedBody(start: number): string {
    this.#position++;
    const first = this.#text[this.#position];
    if (first === '{' || first === '}' || first === ':') {
      throw this.#error(start, 'a variable name is missing after "${"');
    }
    const name = this.#name();
    if (this.#position >= this.#text.length) throw this.#error(start, '"${" is not closed by "}"');
    const operator = this.#next();
    if (operator === '}') return this.#resolve(start, name, (value) => value ?? '');
    if (operator === '/') return this.#replace(start, name);
    const colon = operator === ':';
    const modifier = colon ? this.#next() : operator;
    const isTrim = modifier === '#' || modifier === '%';
    if (modifier === '' || !'-+?#%'.includes(modifier) || (colon && isTrim)) {
      const shown = colon ? `:${modifier}` : modifier;
      throw this.#error(
        start,
        `"${shown}" is not a supported modifier`,
        'supported are :- - :+ + :? ? # ## % %% / and //',
      );
    }
    const word = this.#expandUntil('}', isTrim);
    if (word === undefined) throw this.#error(start, '"${" is not closed by "}"');
    return this.#resolve(start, name, (value) => {
      const isMissing = value === undefined || (colon && value === '');
      if (modifier === '-') return isMissing ? word : (value ?? '');
      if (modifier === '+') return isMissing ? '' : word;
      if (modifier === '?') {
        if (isMissing) throw this.#required(start, name, value, word);
        return value ?? '';
      }
      return this.#trim(start, value ?? '', modifier, word);
    });
  }

  #trim(start: number, value: string, modifier: string, word: string): string {
    const longest = word.startsWith(modifier);
    const pattern = this.#pattern(start, longest ? word.slice(1) : word);
    return modifier === '#' ? trimPrefix(value, pattern, longest) : trimSuffix(value, pattern, longest);
  }

  #replace(start: number, name: string): string {
    const all = this.#text[this.#position] === '/';
    if (all) this.#position++;
    const text = this.#expandUntil('/', true);
    if (text === undefined) throw this.#error(start, '"/" and a replacement are missing in "${"');
    const replacement = this.#expandUntil('}', true);
    if (replacement === undefined) throw this.#error(start, '"${" is not closed by "}"');
    return this.#resolve(start, name, (value) => {
      const pattern = this.#pattern(start, text);
      const result = replacePattern(value ?? '', pattern, replacement, { all, maxLength: MAX_EXPANDED_CHARACTERS });
      if (result === undefined) throw this.#tooLong(start);
      return result;
    });
  }

  #pattern(start: number, text: string): ReturnType<typeof parsePattern> & object {
    const pattern = parsePattern(text);
    if (pattern === undefined) {
      throw this.#error(start, `the pattern "${text}" has a backslash before something other than * ? \\ } /`);
    }
    return pattern;
  }

  /** Looks `name` up and lets `use` make the value of the reference that began at `start`. */
  #resolve(start: number, name: string, use: (value: string | undefined) => string): string {
    const value = this.#lookup(name);
    if (value === undefined) {
      this.unset.add(name);
      if (this.#keepUnset) return this.#text.slice(start, this.#position);
    }
    const result = use(value);
    this.#expandedCharacters += result.length;
    if (this.#expandedCharacters > MAX_EXPANDED_CHARACTERS) throw this.#tooLong(start);
    return result;
  }

  /** A name, a number, or one of the shell's special parameters; empty when there is none. */
  #name(): string {
    const start = this.#position;
    const first = this.#peek();
    if (DIGIT.test(first)) this.#skip(DIGIT);
    else if (first !== '' && SPECIAL_NAMES.includes(first)) this.#position++;
    else this.#skip(NAME_CHARACTER);
    return this.#text.slice(start, this.#position);
  }

  #skip(pattern: RegExp): void {
    for (let next = this.#peek(); next !== '' && pattern.test(next); next = this.#peek()) this.#position += next.length;
  }

  /** The character here, whole even if it is two code units; empty at the end. */
  #peek(): string {
    const point = this.#text.codePointAt(this.#position);
    return point === undefined ? '' : String.fromCodePoint(point);
  }

  #next(): string {
    const character = this.#peek();
    this.#position += character.length;
    return character;
  }

  #tooLong(start: number): BuildError {
    return this.#error(start, `its value would have more than ${MAX_EXPANDED_CHARACTERS} characters`);
  }

  #required(start: number, name: string, value: string | undefined, word: string): BuildError {
    const why = word !== '' ? word : value === undefined ? 'it is not set' : 'it is empty';
    const locations = [this.#rangeFrom(start)];
    return new BuildError('required-variable', `Variable "${name}" is required: ${why}`, { locations });
  }

  #error(start: number, why: string, hint?: string): BuildError {
    const locations = [this.#rangeFrom(start)];
    const shown = this.#text.length > 80 ? `${this.#text.slice(0, 80)}…` : this.#text;
    return new BuildError('invalid-substitution', `Cannot expand "${shown}": ${why}`, {
      locations,
      ...(hint !== undefined && { hint }),
    });
  }

  /** From the character at `start` to where reading has come; the whole word where its text is not its source. */
  #rangeFrom(start: number): SourceRange {
    const { range } = this.#word;
    const isVerbatim =
      range.start.line === range.end.line && range.end.column - range.start.column === this.#text.length;
    if (!isVerbatim) return range;
    const column = range.start.column + start;
    const end = Math.max(column + 1, range.start.column + this.#position);
    return {
      file: range.file,
      start: { line: range.start.line, column },
      end: { line: range.start.line, column: end },
    };
  }
}
