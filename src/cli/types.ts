/**
 * What a command is to the command line: a table of flags and a function.
 *
 * `main` finds the command, reads its flags by the table and calls `run` with the context. Everything of the outside world is in
 * `CliDeps`, so that a test can put its own streams and engine in place.
 */
import type { BuildInspector, Engine, EngineOptions } from '../engine/types.ts';

export type OptionSpec =
  | { readonly kind: 'flag'; readonly short?: string; readonly describe: string }
  | {
      /** Takes a value; the last one given counts. */
      readonly kind: 'value';
      readonly short?: string;
      readonly placeholder: string;
      readonly describe: string;
      readonly choices?: readonly string[];
    }
  | {
      /** Takes a value and may be repeated. */
      readonly kind: 'list';
      readonly short?: string;
      readonly placeholder: string;
      readonly describe: string;
    };

export type OptionTable = Readonly<Record<string, OptionSpec>>;

type NamesOf<O extends OptionTable, K extends OptionSpec['kind']> = {
  [N in keyof O & string]: O[N] extends { readonly kind: K } ? N : never;
}[keyof O & string];

/** The flags and operands of one call, as the table says. */
export interface ParsedArgs<O extends OptionTable = OptionTable> {
  flag(name: NamesOf<O, 'flag'>): boolean;
  value(name: NamesOf<O, 'value'>): string | undefined;
  list(name: NamesOf<O, 'list'>): readonly string[];
  readonly operands: readonly string[];
  /** `--root`, if it was given after the command's name. */
  readonly root: string | undefined;
}

/** Accepted by every command. */
export const GLOBAL_OPTIONS = {
  root: { kind: 'value', placeholder: 'DIR', describe: 'Directory of the store ($TSBUILD_ROOT)' },
  help: { kind: 'flag', describe: 'Show this help' },
} as const satisfies OptionTable;

export interface CommandSpec<O extends OptionTable = OptionTable> {
  readonly name: string;
  /** Operands as the help shows them: `PATH | -`. */
  readonly operands: string;
  readonly summary: string;
  readonly options: O;
  /** Names (long, or one letter) of Docker's flags for this command that are known but not supported. */
  readonly unsupported?: readonly string[];
  /** Number of operands. */
  readonly arity: { readonly min: number; readonly max: number };
  /** Flags end at the first operand, as for `run IMAGE COMMAND --flag-of-command`. */
  readonly stopAtOperand?: boolean;
  /** Everything after the name is operands: they are another program's arguments. */
  readonly passesArguments?: boolean;
  /** The status for `error`, where the command has rules of its own. */
  readonly exitStatus?: (status: number) => number;
}

export interface Command<O extends OptionTable = OptionTable> extends CommandSpec<O> {
  /** Resolves with the exit status. */
  run(args: ParsedArgs<O>, context: CommandContext): Promise<number>;
}

/** Ties a command's flags to what its `run` may ask for, then forgets the table's type. */
export function defineCommand<const O extends OptionTable>(command: Command<O>): Command {
  return command as unknown as Command;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface OutputStream {
  write(data: string | Uint8Array): void;
  readonly isTTY: boolean;
  /** Of a terminal; read anew each time, since windows are resized. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
}

export interface InputStream extends AsyncIterable<Uint8Array> {
  readonly isTTY: boolean;
}

export interface CliDeps {
  readonly createEngine: (options: EngineOptions) => Promise<Engine>;
  readonly inspector: () => Promise<BuildInspector>;
  /** Runs the native runtime on the stdio of this process; resolves with its exit status. */
  readonly nativeRuntime: (args: readonly string[]) => Promise<number>;
  /** Opened when a command asks for it. */
  readonly stdin: () => InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Aborted by SIGINT and SIGTERM, with a `cancelled` error as reason. */
  readonly signal: AbortSignal;
  readonly cwd: string;
  readonly uid: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface CommandContext {
  readonly deps: CliDeps;
  readonly env: Environment;
  /** The chosen store's directory, which need not be there. Throws `usage` if there is none to choose. */
  readonly root: () => string;
  /** Calls `work` with the engine on the chosen store, and closes the engine afterwards. */
  readonly withEngine: <T>(
    work: (engine: Engine) => Promise<T>,
    options?: Pick<EngineOptions, 'ociRuntime'>,
  ) => Promise<T>;
}
