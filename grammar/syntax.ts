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
  'word',
  'pair',
  'heredoc',
  'stray',
  'legacyKey',
  'legacyValue',
  'as',
  'none',
  'cmd',
  'open',
  'close',
  'comma',
  'string',
  'notString',
  'end',
] as const;

export type TokenType = (typeof TOKEN_TYPES)[number];

export interface Token {
  readonly type: TokenType;
  /** As written. */
  readonly text: string;
  /** Decoded: a flag without its quotes, a JSON string's value; otherwise the text. */
  readonly value: string;
  readonly offset: number;
}

/** A JSON array of strings, or text for a shell as one or more pieces of it. */
export type CommandForm =
  | { readonly kind: 'json'; readonly strings: readonly Token[] }
  | { readonly kind: 'shell'; readonly pieces: readonly Token[] };

/** A JSON array of strings, or words between blanks, of which some may be heredoc markers. */
export type ListForm =
  | { readonly kind: 'json'; readonly strings: readonly Token[] }
  | { readonly kind: 'words'; readonly words: readonly Token[] };

interface Head {
  readonly keyword: Token;
  readonly flags: readonly Token[];
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
  | (Head & { readonly kind: 'onbuild'; readonly trigger: TriggerSyntax });
