/**
 * What the grammar makes of one logical line: tokens grouped by the shape of the instruction.
 *
 * Offsets count UTF-16 code units from the start of the logical line; src/parser turns them into places in the file.
 */

export const TOKEN_TYPES = [
  // keywords, one type for each shape of arguments
  'from',
  'run',
  'command',
  'copy',
  'volume',
  'expose',
  'pairs',
  'arg',
  'scalar',
  'maintainer',
  'healthcheck',
  'onbuild',
  'unknown',
  // arguments
  'flag',
  'text',
  'json',
  'array',
  'word',
  'words',
  'assignments',
  'definitions',
  'pair',
  'heredoc',
  'legacyKey',
  'legacyValue',
  'as',
  'none',
  'cmd',
  'end',
  // inside a token
  'open',
  'stray',
  'close',
  'comma',
  'string',
  'notString',
] as const;

export type TokenType = (typeof TOKEN_TYPES)[number];

export interface Token {
  readonly type: TokenType;
  /** As written. */
  readonly text: string;
  /** Decoded: a flag without its quotes, a JSON string's value; otherwise the text (for a JSON array, too). */
  readonly value: string;
  readonly offset: number;
  /** A keyword's flags, the members of `words`, `assignments` and `definitions`; other tokens have none. */
  readonly parts: readonly Token[];
}

/** A JSON array of strings, or text for a shell; each is one token, which lexer.ts takes apart for those who ask. */
export type CommandForm =
  { readonly kind: 'json'; readonly array: Token } | { readonly kind: 'shell'; readonly text: Token };

/** A JSON array of strings, or words between blanks, of which some may be heredoc markers. */
export type ListForm =
  { readonly kind: 'json'; readonly array: Token } | { readonly kind: 'words'; readonly words: readonly Token[] };

export const NO_TOKENS: readonly Token[] = [];

interface Head {
  /** Its parts are the flags. */
  readonly keyword: Token;
}

/** An instruction that may also be the trigger of an ONBUILD. */
export type TriggerSyntax = Head &
  (
    | { readonly kind: 'command'; readonly form: CommandForm }
    | { readonly kind: 'list'; readonly form: ListForm }
    | { readonly kind: 'pairs'; readonly pairs: readonly Token[] }
    | { readonly kind: 'legacy'; readonly key: Token; readonly value: Token }
    | { readonly kind: 'arg'; readonly words: readonly Token[] }
    | { readonly kind: 'scalar'; readonly value: Token }
    | { readonly kind: 'none' }
    | { readonly kind: 'check'; readonly form: CommandForm }
  );

export type Syntax =
  | TriggerSyntax
  | (Head & { readonly kind: 'from'; readonly image: Token; readonly as?: Token; readonly name?: Token })
  /** Without `trigger`, what follows has to be right only where it runs. */
  | (Head & { readonly kind: 'onbuild'; readonly trigger?: TriggerSyntax });
