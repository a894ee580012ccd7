/**
 * Tokens of one logical line (continuations joined, no line feed in it).
 *
 * Where the arguments begin, the text decides how they are read: a flag, a JSON array, `key=value` or `key value`, text to
 * the end of the line. moo has a state for each of these; `LineLexer` chooses. Every pattern takes the blanks before it
 * along, as a token less is a match, an object and a step of the parser less.
 */
import moo from 'moo';

import type { Token, TokenType } from './syntax.ts';
import { HEREDOC_WORD } from './parts.ts';
import { BLANK, SPACE, blanksEnd, spacesEnd, valueWord } from './patterns.ts';
import { NO_TOKENS, TOKEN_TYPES } from './syntax.ts';

type State =
  | 'keyword'
  | 'flags'
  | 'from'
  | 'words'
  | 'sources'
  | 'pairs'
  | 'legacyKey'
  | 'legacyValue'
  | 'text'
  | 'check'
  | 'json'
  | 'array';

type ListType = 'words' | 'assignments' | 'definitions';

/** Every instruction with the token type of its keyword. */
const KEYWORDS: ReadonlyMap<string, TokenType> = new Map<string, TokenType>(
  Object.entries({
    from: 'from',
    run: 'run',
    cmd: 'command',
    entrypoint: 'command',
    shell: 'command',
    copy: 'copy',
    add: 'copy',
    volume: 'volume',
    expose: 'expose',
    env: 'pairs',
    label: 'pairs',
    arg: 'arg',
    workdir: 'scalar',
    user: 'scalar',
    stopsignal: 'scalar',
    maintainer: 'maintainer',
    healthcheck: 'healthcheck',
    onbuild: 'onbuild',
  } as const),
);

const CHECKS: ReadonlyMap<string, TokenType> = new Map([
  ['none', 'none'],
  ['cmd', 'cmd'],
]);

export const INSTRUCTIONS: readonly string[] = [...KEYWORDS.keys()].map((name) => name.toUpperCase());

/** A flag's text without quotes and backslashes, as Docker reads it whatever the escape character is. */
function unquote(text: string): string {
  if (!/['"\\]/.test(text)) return text;
  let out = '';
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '\\') out += text.charAt(++i);
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else out += char;
  }
  return out;
}

/** Docker drops an escape character that has nothing after it. */
function withoutLoneEscape(text: string, escape: string): string {
  let start = text.length;
  while (start > 0 && text[start - 1] === escape) start--;
  return (text.length - start) % 2 === 1 ? text.slice(0, -1) : text;
}

/** A token's text without the blanks before it. */
function bare(text: string): string {
  const start = blanksEnd(text, 0);
  return start === 0 ? text : text.slice(start);
}

function createMoo(escape: string): moo.Lexer {
  const after = (pattern: string): RegExp => new RegExp(`[${BLANK}]*${pattern}`);
  const word = after(`[^${BLANK}\\n]+`);
  const rest = after(`[^${BLANK}\\n][^\\n]*`);
  const single = String.raw`'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*(?:'|\\?(?![^\n]))`;
  const double = String.raw`"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*(?:"|\\?(?![^\n]))`;
  const states: Record<State, moo.Rules> = {
    keyword: { keyword: { match: word, type: (text) => KEYWORDS.get(bare(text).toLowerCase()) ?? 'unknown' } },
    flags: {
      flag: {
        match: after(String.raw`--(?:[^${BLANK}\n'"\\]|\\[^\n]|\\(?![^\n])|${single}|${double})*`),
        value: unquote,
      },
    },
    from: { word: { match: word, type: (text) => (bare(text).toLowerCase() === 'as' ? 'as' : 'word') } },
    words: { word },
    sources: { heredoc: after(HEREDOC_WORD.source), word },
    pairs: {
      word: {
        match: new RegExp(`[${SPACE}]*${valueWord(escape)}`),
        type: (text) => (text.includes('=') ? 'pair' : 'word'),
        value: (text) => withoutLoneEscape(text, escape),
      },
      // At the end of a line, where JavaScript does not trim all that separates words.
      blank: new RegExp(`[${SPACE}]+`),
    },
    legacyKey: { legacyKey: { match: word, next: 'legacyValue' } },
    legacyValue: { legacyValue: rest },
    text: { text: rest },
    check: { word: { match: word, type: (text) => CHECKS.get(bare(text).toLowerCase()) ?? 'word' } },
    json: { json: rest },
    array: { array: rest },
  };
  return moo.states(states, 'keyword');
}

/** Nothing is kept between lines. */
const NO_STATE = Object.freeze({});

/** A lexer for nearley, for one escape character and any number of lines, one after the other. */
export class LineLexer {
  readonly #moo: moo.Lexer;
  readonly #firstValue: RegExp;
  #line = '';
  /** Where the next token or the blanks before it begin. */
  #offset = 0;
  /** The type of the keyword that the arguments belong to. */
  #shape: TokenType = 'unknown';
  /** What the rest of the line is one token of. */
  #list: ListType | undefined;
  /** What has been read but not handed out. */
  #held: Token | undefined;

  constructor(escape: '\\' | '`') {
    this.#moo = createMoo(escape);
    this.#firstValue = new RegExp(valueWord(escape), 'y');
  }

  /** Begins a line, which must not be blank, and tells its keyword; `next` will give it once more. */
  begin(line: string): Token {
    this.#line = line.trimEnd();
    this.#moo.reset(this.#line);
    this.#offset = 0;
    const keyword = this.#readKeyword();
    if (keyword === undefined) throw new Error('A blank line has no tokens');
    this.#held = keyword;
    return keyword;
  }

  /** Where the line ends, for who wants more of it. */
  end(): Token {
    return { type: 'end', text: '', value: '', offset: this.#line.length, parts: NO_TOKENS };
  }

  next(): Token | undefined {
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      return held;
    }
    if (this.#list !== undefined) return this.#readList(this.#list);
    if (this.#shape === 'onbuild') return this.#readKeyword();
    const token = this.#read();
    if (token?.type === 'cmd') this.#moo.setState(this.#jsonState() ?? 'text');
    else if (token?.type === 'none') this.#moo.setState('words');
    return token;
  }

  /** The next four are nearley's interface; it resets with a line that has begun. */
  reset(): void {}

  save(): object {
    return NO_STATE;
  }

  formatError(): string {
    return 'unexpected token';
  }

  has(type: string): boolean {
    return TOKEN_TYPES.some((known) => known === type);
  }

  /** A word among assignments ends them and stands alone, for the grammar to refuse. */
  #readList(type: ListType): Token | undefined {
    const parts: Token[] = [];
    for (let part = this.#read(); part !== undefined; part = this.#read()) {
      if (type === 'assignments' && part.type === 'word') {
        this.#held = part;
        break;
      }
      parts.push(part);
    }
    const first = parts[0];
    if (first === undefined) return undefined;
    return { type, text: first.text, value: first.value, offset: first.offset, parts };
  }

  /** A keyword with its flags; whatever comes next are its arguments. */
  #readKeyword(): Token | undefined {
    const keyword = this.#read();
    if (keyword === undefined) return undefined;
    const flags = this.#readFlags();
    this.#enterArguments(keyword.type);
    if (flags.length === 0) return keyword;
    const { type, text, value, offset } = keyword;
    return { type, text, value, offset, parts: flags };
  }

  /** A bare `--` only says that no flag follows. */
  #readFlags(): readonly Token[] {
    let flags: Token[] | undefined;
    while (this.#line.startsWith('--', blanksEnd(this.#line, this.#offset))) {
      this.#moo.setState('flags');
      const flag = this.#read();
      if (flag === undefined || flag.value === '--') break;
      if (flags === undefined) flags = [flag];
      else flags.push(flag);
    }
    return flags ?? NO_TOKENS;
  }

  #read(): Token | undefined {
    const token = this.#moo.next();
    if (token === undefined || token.type === 'blank') return undefined;
    const { text, value } = token;
    // Every state's rule names and transforms are token types.
    const type = token.type as TokenType;
    const start = type === 'pair' || (type === 'word' && this.#inPairs()) ? spacesEnd(text, 0) : blanksEnd(text, 0);
    const offset = this.#offset + start;
    this.#offset += text.length;
    if (start === 0) return { type, text, value, offset, parts: NO_TOKENS };
    const written = text.slice(start);
    return { type, text: written, value: value === text ? written : value.slice(start), offset, parts: NO_TOKENS };
  }

  #inPairs(): boolean {
    return this.#shape === 'pairs' || this.#shape === 'arg';
  }

  #enterArguments(keyword: TokenType): void {
    this.#shape = keyword;
    this.#list = undefined;
    switch (keyword) {
      case 'onbuild':
        return this.#moo.setState('keyword');
      case 'from':
        return this.#moo.setState('from');
      case 'run':
      case 'command':
        return this.#moo.setState(this.#jsonState() ?? 'text');
      case 'copy':
        return this.#enterListOrJson('sources');
      case 'volume':
        return this.#enterListOrJson('words');
      case 'expose':
        return this.#enterList('words', 'words');
      case 'pairs':
        return this.#startsPair() ? this.#enterList('assignments', 'pairs') : this.#moo.setState('legacyKey');
      case 'arg':
        return this.#enterList('definitions', 'pairs');
      case 'healthcheck':
        return this.#moo.setState('check');
      default:
        return this.#moo.setState('text');
    }
  }

  #enterListOrJson(state: 'sources' | 'words'): void {
    const json = this.#jsonState();
    if (json === undefined) this.#enterList('words', state);
    else this.#moo.setState(json);
  }

  #enterList(list: ListType, state: State): void {
    this.#list = list;
    this.#moo.setState(state);
  }

  /** Whether the arguments are a JSON array, and if so, one of strings; what only looks like one is ordinary text. */
  #jsonState(): 'json' | 'array' | undefined {
    const start = blanksEnd(this.#line, this.#offset);
    if (this.#line.charCodeAt(start) !== 0x5b || !this.#line.endsWith(']')) return undefined;
    try {
      const items = JSON.parse(this.#line.slice(start)) as readonly unknown[];
      return items.every((item) => typeof item === 'string') ? 'json' : 'array';
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** `key=value` rather than `key value`. */
  #startsPair(): boolean {
    this.#firstValue.lastIndex = blanksEnd(this.#line, this.#offset);
    return this.#firstValue.exec(this.#line)?.[0].includes('=') ?? false;
  }
}

const lexers = new Map<string, LineLexer>();

/** The lexer for an escape character; there is one, as a line is read from its beginning to its end before the next. */
export function lexerFor(escape: '\\' | '`'): LineLexer {
  let found = lexers.get(escape);
  if (found === undefined) {
    found = new LineLexer(escape);
    lexers.set(escape, found);
  }
  return found;
}

/** What the compiled grammar asks for the names of tokens. */
export const lexer = lexerFor('\\');
