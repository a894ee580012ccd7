/** One logical line to its syntax: exactly one parse, or an error that points at the token that does not fit. */
import nearley from 'nearley';

import compiledGrammar from '../../grammar/dockerfile.generated.ts';
import { INSTRUCTIONS, lexerFor } from '../../grammar/lexer.ts';
import type { LineLexer } from '../../grammar/lexer.ts';
import { notStringIn } from '../../grammar/parts.ts';
import type { Syntax, Token, TokenType } from '../../grammar/syntax.ts';
import type { BuildError } from '../core/errors.ts';
import type { LogicalLine } from './lines.ts';

import {
  invalidCheck,
  missingArgument,
  missingEquals,
  missingValue,
  notStrings,
  refusedTrigger,
  unexpectedArgument,
  unknownInstruction,
} from './errors.ts';
import { checkFlags } from './flags.ts';

const { rules } = nearley.Grammar.fromCompiled(compiledGrammar);

/** nearley's parser without its report of the whole parse table, which can be far longer than the line. */
class RuleParser extends nearley.Parser {
  /** nearley's columns, which its types leave out. */
  declare readonly table: unknown[];

  constructor(keyword: TokenType, lexer: LineLexer) {
    const grammar = new nearley.Grammar(rules);
    grammar.start = keyword;
    super(grammar, { lexer, keepHistory: true });
  }

  /** The parses of one line, which the lexer has begun. */
  parse(line: string): readonly Syntax[] {
    try {
      this.feed(line);
      return this.results as readonly Syntax[];
    } finally {
      // As `restore` would, but without looking for results at the start.
      this.table.length = 1;
      this.current = 0;
    }
  }

  reportError(): string {
    return 'unexpected token';
  }
}

const parsers = new Map<string, SyntaxParser>();

/** The parser for an escape character. */
export function syntaxParserFor(escape: '\\' | '`'): SyntaxParser {
  let parser = parsers.get(escape);
  if (parser === undefined) {
    parser = new SyntaxParser(lexerFor(escape));
    parsers.set(escape, parser);
  }
  return parser;
}

/** Parses line after line; keeps a parser for each keyword, as its first state is always the same. */
class SyntaxParser {
  readonly #lexer: LineLexer;
  readonly #parsers = new Map<TokenType, RuleParser>();

  constructor(lexer: LineLexer) {
    this.#lexer = lexer;
  }

  /** Errors: whatever keeps the line from being an instruction. */
  parse(line: LogicalLine): Syntax {
    const { type, text, offset } = this.#lexer.begin(line.text);
    if (type === 'unknown') throw unknownInstruction(text, line.range(offset, offset + text.length), INSTRUCTIONS);
    const parses = type === 'onbuild' ? this.#parseOnbuild(line) : this.#parse(type, line);
    const syntax = parses[0];
    if (syntax === undefined) throw this.#explain(line, this.#lexer.end());
    if (parses.length > 1) throw new Error(`The grammar has ${parses.length} parses for ${JSON.stringify(line.text)}`);
    return syntax;
  }

  #parse(keyword: TokenType, line: LogicalLine): readonly Syntax[] {
    try {
      return this.#parserFor(keyword).parse(line.text);
    } catch (error) {
      throw this.#explain(line, refusedToken(error));
    }
  }

  /** As in Docker, most of what is wrong with a trigger is an error only where it runs. */
  #parseOnbuild(line: LogicalLine): readonly Syntax[] {
    let wrong: Token;
    try {
      const parses = this.#parserFor('onbuild').parse(line.text);
      if (parses.length > 0) return parses;
      wrong = this.#lexer.end();
    } catch (error) {
      wrong = refusedToken(error);
    }
    const before = tokensBefore(line, this.#lexer, wrong);
    const keyword = before[0];
    if (keyword === undefined || !isForTheChild(before, wrong)) throw explain(line, before, wrong);
    return [{ kind: 'onbuild', keyword }];
  }

  #explain(line: LogicalLine, wrong: Token): BuildError {
    return explain(line, tokensBefore(line, this.#lexer, wrong), wrong);
  }

  #parserFor(keyword: TokenType): RuleParser {
    let parser = this.#parsers.get(keyword);
    if (parser === undefined) {
      parser = new RuleParser(keyword, this.#lexer);
      this.#parsers.set(keyword, parser);
    }
    return parser;
  }
}

/** The token that nearley did not want; rethrows any other failure. */
function refusedToken(error: unknown): Token {
  if (!(error instanceof Error) || !('token' in error)) throw error;
  const token = error.token as Token;
  return token.type === 'array' ? notStringIn(token) : token;
}

/** Whether the trigger of an ONBUILD is wrong as an instruction, though not as a line of the language. */
function isForTheChild(before: readonly Token[], wrong: Token): boolean {
  const [, trigger] = before;
  if (trigger === undefined) return wrong.type === 'unknown';
  const last = before.at(-1);
  if (wrong.type === 'end') return last?.type !== 'legacyKey';
  return trigger.type === 'healthcheck' && (last?.type === 'none' || wrong.type === 'word');
}

/** What an instruction of each shape cannot do without. */
const WANTED: Readonly<Partial<Record<TokenType, string>>> = {
  from: 'an image or a stage',
  run: 'a command',
  command: 'a command',
  copy: 'at least one source and a destination',
  volume: 'at least one path',
  expose: 'at least one port',
  pairs: 'at least one name=value',
  arg: 'at least one name',
  scalar: 'an argument',
  maintainer: 'a name',
  healthcheck: 'NONE or CMD with a command',
  onbuild: 'an instruction',
};

/** Turns the first token that the grammar refused into a message; the tokens before it say what was wanted. */
function explain(line: LogicalLine, before: readonly Token[], wrong: Token): BuildError {
  const keyword = before.findLast((token) => WANTED[token.type] !== undefined);
  const range = line.range(wrong.offset, wrong.offset + wrong.text.length);
  if (keyword === undefined || wrong.type === 'unknown') return unknownInstruction(wrong.text, range, INSTRUCTIONS);
  const name = keyword.text.toUpperCase();
  const last = before.at(-1);
  switch (wrong.type) {
    case 'end': {
      // An unknown flag may be why there is nothing else: `CMD --help`.
      checkFlags(keyword, line);
      const whole = line.range(keyword.offset, line.text.trimEnd().length);
      if (last?.type === 'legacyKey') return missingValue(name, last.text, whole);
      if (last?.type === 'as') return missingArgument(name, 'a stage name after AS', whole);
      if (last?.type === 'cmd') return missingArgument(name, 'a command after CMD', whole);
      return missingArgument(name, WANTED[keyword.type] ?? 'an argument', whole);
    }
    case 'from':
    case 'maintainer':
    case 'onbuild':
      return refusedTrigger(wrong.text.toUpperCase(), range);
    default:
  }
  switch (keyword.type) {
    case 'from':
      return unexpectedArgument(
        name,
        wrong.text,
        before.some((token) => token.type === 'as') ? 'nothing after the stage name' : 'AS and a stage name',
        range,
      );
    case 'pairs':
      return missingEquals(name, wrong.text, range);
    case 'healthcheck':
      if (last?.type === 'none') return unexpectedArgument(name, wrong.text, 'nothing after NONE', range);
      return wrong.type === 'word' ? invalidCheck(wrong.text, range) : notStrings(name, wrong.text, range);
    default:
      return notStrings(name, wrong.text, range);
  }
}

function tokensBefore(line: LogicalLine, lexer: LineLexer, wrong: Token): Token[] {
  const tokens: Token[] = [];
  lexer.begin(line.text);
  for (let token = lexer.next(); token !== undefined && token.offset < wrong.offset; token = lexer.next())
    tokens.push(token);
  return tokens;
}
