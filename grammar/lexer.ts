/**
 * Tokens of one logical line (continuations joined, no line feed in it).
 *
 * Where the arguments begin, the text decides how they are read: a flag, a JSON array, `key=value` or `key value`, a shell
 * command with or without heredocs. moo has a state for each of these; `LineLexer` chooses.
 */
import moo from 'moo';

import type { Token, TokenType } from './syntax.ts';
import { TOKEN_TYPES } from './syntax.ts';

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
  | 'shell'
  | 'check'
  | 'json';

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

/** What separates words where Docker splits by pattern, and where it splits by Unicode class. */
const BLANK = String.raw`\t\v\f\r `;
const SPACE = String.raw`\t\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

const LEADING_BLANKS = new RegExp(`[${BLANK}]*`, 'y');
const FIRST_WORD = new RegExp(`[^${BLANK}]*`, 'y');

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

/** Pieces of words. Alternatives begin with different characters, so that matching never goes back. */
const SINGLE = String.raw`'[^'\n]*'`;
const DOUBLE = String.raw`"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"`;
/** One level of nesting is what people write; deeper ones fall apart into words, which only matters for a `<<` inside. */
const BRACED = String.raw`\$\{[^{}\\\n]*(?:(?:\\[^\n]|\{[^{}\n]*\})[^{}\\\n]*)*\}`;

/** A word as Docker's shell lexer sees it, when it looks for heredocs. */
const SHELL_WORD = new RegExp(String.raw`(?:[^${BLANK}\n'"\\$]|\\[^\n]|\\(?![^\n])|${SINGLE}|${DOUBLE}|${BRACED}|\$)+`);
const HEREDOC_WORD = new RegExp(
  String.raw`[0-9]*<<-?(?:[^${BLANK}\n'"\\<]|\\[^\n<]|'[^'\n<]*'|"[^"\n<]*")+(?![^${BLANK}])`,
);
const HEREDOC = /^[0-9]*<<-?[^<]+$/;

/** A word of ENV, LABEL and ARG, for one escape character; a quote that is not closed takes the rest of the line. */
function valueWord(escape: string): string {
  const e = escape === '\\' ? '\\\\' : escape;
  const single = String.raw`'[^'\n]*(?:'|(?![^\n]))`;
  const double = String.raw`"[^"${e}\n]*(?:${e}[^\n][^"${e}\n]*)*(?:"|${e}?(?![^\n]))`;
  return String.raw`(?:[^${SPACE}\n'"${e}]|${e}[^\n]|${e}(?![^\n])|${single}|${double})+`;
}

/** A JSON string's value. */
function decode(text: string): string {
  return text.includes('\\') ? String(JSON.parse(text)) : text.slice(1, -1);
}

/** Docker drops an escape character that has nothing after it. */
function withoutLoneEscape(text: string, escape: string): string {
  let start = text.length;
  while (start > 0 && text[start - 1] === escape) start--;
  return (text.length - start) % 2 === 1 ? text.slice(0, -1) : text;
}

function createMoo(escape: string): moo.Lexer {
  const blank = new RegExp(`[${BLANK}]+`);
  const word = new RegExp(`[^${BLANK}\\n]+`);
  const rest = new RegExp(`[^${BLANK}\\n][^\\n]*`);
  const single = String.raw`'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*(?:'|\\?(?![^\n]))`;
  const double = String.raw`"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*(?:"|\\?(?![^\n]))`;
  const states: Record<State, moo.Rules> = {
    keyword: { blank, keyword: { match: word, type: (text) => KEYWORDS.get(text.toLowerCase()) ?? 'unknown' } },
    flags: {
      blank,
      flag: {
        match: new RegExp(String.raw`--(?:[^${BLANK}\n'"\\]|\\[^\n]|\\(?![^\n])|${single}|${double})*`),
        value: unquote,
      },
    },
    from: { blank, word: { match: word, type: (text) => (text.toLowerCase() === 'as' ? 'as' : 'word') } },
    words: { blank, word },
    sources: { blank, heredoc: HEREDOC_WORD, word },
    pairs: {
      blank: new RegExp(`[${SPACE}]+`),
      word: {
        match: new RegExp(valueWord(escape)),
        type: (text) => (text.includes('=') ? 'pair' : 'word'),
        value: (text) => withoutLoneEscape(text, escape),
      },
    },
    legacyKey: { blank, legacyKey: { match: word, next: 'legacyValue' } },
    legacyValue: { blank, legacyValue: rest },
    text: { blank, text: rest },
    shell: {
      blank,
      word: { match: SHELL_WORD, type: (text) => (HEREDOC.test(text) ? 'heredoc' : 'word') },
      stray: /['"]/,
    },
    check: { blank, word: { match: word, type: (text) => CHECKS.get(text.toLowerCase()) ?? 'word' } },
    json: {
      blank,
      open: '[',
      close: ']',
      comma: ',',
      string: { match: /"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"/, value: decode },
      notString: /[^\t\r ",[\]\n]+/,
    },
  };
  return moo.states(states, 'keyword');
}

/** Nothing is kept between lines. */
const NO_STATE = Object.freeze({});

/** A line's first word and what it begins. */
export function keywordOf(line: string): Pick<Token, 'type' | 'text' | 'offset'> {
  const offset = blanksEnd(line, 0);
  FIRST_WORD.lastIndex = offset;
  const text = FIRST_WORD.exec(line)?.[0] ?? '';
  return { type: KEYWORDS.get(text.toLowerCase()) ?? 'unknown', text, offset };
}

function blanksEnd(line: string, offset: number): number {
  LEADING_BLANKS.lastIndex = offset;
  LEADING_BLANKS.test(line);
  return LEADING_BLANKS.lastIndex;
}

/** A lexer for nearley, for one escape character and any number of lines, one after the other. */
export class LineLexer {
  readonly #moo: moo.Lexer;
  readonly #firstValue: RegExp;
  #line = '';
  /** Where the next token or the blanks before it begin. */
  #offset = 0;
  /** The type of the keyword that the arguments belong to. */
  #shape: TokenType = 'unknown';
  #phase: 'keyword' | 'head' | 'arguments' | 'ended' = 'ended';

  constructor(escape: '\\' | '`') {
    this.#moo = createMoo(escape);
    this.#firstValue = new RegExp(valueWord(escape), 'y');
  }

  reset(line: string): void {
    this.#line = line.trimEnd();
    this.#moo.reset(this.#line);
    this.#offset = 0;
    this.#shape = 'unknown';
    this.#phase = 'keyword';
  }

  next(): Token | undefined {
    if (this.#phase === 'ended') return undefined;
    if (this.#phase === 'head') this.#chooseState();
    const token = this.#read();
    if (token === undefined) {
      this.#phase = 'ended';
      return { type: 'end', text: '', value: '', offset: this.#line.length };
    }
    if (this.#phase === 'keyword') {
      this.#shape = token.type;
      this.#phase = 'head';
    } else if (token.type === 'flag' && token.value === '--') {
      // A bare `--` only says that no flag follows.
      this.#enterArguments();
      return this.next();
    } else if (token.type === 'cmd') {
      this.#shape = 'command';
      this.#enterArguments();
    } else if (token.type === 'none') {
      this.#moo.setState('words');
    }
    return token;
  }

  /** The next three are nearley's interface. */
  save(): object {
    return NO_STATE;
  }

  formatError(): string {
    return 'unexpected token';
  }

  has(type: string): boolean {
    return TOKEN_TYPES.some((known) => known === type);
  }

  #read(): Token | undefined {
    for (;;) {
      const token = this.#moo.next();
      if (token === undefined) return undefined;
      this.#offset = token.offset + token.text.length;
      // Every state's rule names and transforms are token types, or `blank`.
      if (token.type !== 'blank') return token as Token;
    }
  }

  /** After the keyword and after each flag. */
  #chooseState(): void {
    if (this.#line.startsWith('--', blanksEnd(this.#line, this.#offset))) this.#moo.setState('flags');
    else this.#enterArguments();
  }

  #enterArguments(): void {
    this.#phase = 'arguments';
    switch (this.#shape) {
      case 'onbuild':
        this.#phase = 'keyword';
        return this.#moo.setState('keyword');
      case 'from':
        return this.#moo.setState('from');
      case 'run':
        return this.#moo.setState(
          this.#startsJson() ? 'json' : this.#line.includes('<<', this.#offset) ? 'shell' : 'text',
        );
      case 'command':
        return this.#moo.setState(this.#startsJson() ? 'json' : 'text');
      case 'copy':
        return this.#moo.setState(this.#startsJson() ? 'json' : 'sources');
      case 'volume':
        return this.#moo.setState(this.#startsJson() ? 'json' : 'words');
      case 'pairs':
        return this.#moo.setState(this.#startsPair() ? 'pairs' : 'legacyKey');
      case 'arg':
        return this.#moo.setState('pairs');
      case 'healthcheck':
        return this.#moo.setState('check');
      case 'expose':
        return this.#moo.setState('words');
      default:
        return this.#moo.setState('text');
    }
  }

  /** Whether the arguments are a JSON array; what only looks like one is ordinary text. */
  #startsJson(): boolean {
    const start = blanksEnd(this.#line, this.#offset);
    if (!this.#line.startsWith('[', start) || !this.#line.endsWith(']')) return false;
    try {
      JSON.parse(this.#line.slice(start));
      return true;
    } catch (error) {
      if (error instanceof SyntaxError) return false;
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
