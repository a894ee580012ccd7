/** The command line: finds the command, reads its flags, runs it and turns errors into messages and exit statuses. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError, ExitStatus } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import type { Engine, EngineOptions } from '../engine/types.ts';
import { COMMANDS, DEFAULT_COMMAND } from './commands.ts';
import { parseArguments } from './parse.ts';
import { reportError } from './report.ts';
import { bridgeOf } from './bridge.ts';
import { snapshotterOf } from './snapshotter.ts';
import { storeRoot } from './root.ts';
import type { CliDeps, Command, CommandContext, Environment } from './types.ts';

interface Call {
  readonly name: string;
  readonly rest: readonly string[];
  readonly root: string | undefined;
}

/** Runs `argv` (without node and script) and resolves with the exit status; never rejects. */
export async function main(argv: readonly string[], env: Environment, deps: CliDeps): Promise<number> {
  let command: Command | undefined;
  try {
    const call = findCommand(argv, deps.cwd);
    command = await COMMANDS[call.name]!.load();
    if (command.passesArguments === true) {
      const args = { flag: () => false, value: () => undefined, list: () => [], operands: call.rest, root: undefined };
      return await command.run(args, createContext(call.root, env, deps));
    }
    if (asksForHelp(command, call.rest)) {
      deps.stdout.write(await (await import('./help.ts')).commandHelp(command));
      return ExitStatus.ok;
    }
    const args = parseArguments(command, call.rest);
    return await command.run(args, createContext(args.root ?? call.root, env, deps));
  } catch (error) {
    const status = reportError(error, command?.name, deps);
    return command?.exitStatus?.(status) ?? status;
  }
}

function createContext(root: string | undefined, env: Environment, deps: CliDeps): CommandContext {
  const chosenRoot = (): string => storeRoot(root, env, deps.cwd, deps.uid);
  return {
    deps,
    env,
    root: chosenRoot,
    withEngine: async <T>(
      work: (engine: Engine) => Promise<T>,
      options: Pick<EngineOptions, 'ociRuntime'> = {},
    ): Promise<T> => {
      const bridge = bridgeOf(env);
      const snapshotter = snapshotterOf(env);
      await using engine = await deps.createEngine({
        root: chosenRoot(),
        ...(bridge !== undefined && { bridge }),
        ...(snapshotter !== undefined && { snapshotter }),
        ...options,
      });
      return await work(engine);
    },
  };
}

/** Reads what may stand before the command's name. */
function findCommand(argv: readonly string[], cwd: string): Call {
  let root: string | undefined;
  let at = 0;
  for (; at < argv.length; at++) {
    const argument = argv[at]!;
    if (argument.startsWith('--root=')) root = argument.slice('--root='.length);
    else if (argument === '--root') {
      root = argv[++at];
      if (root === undefined) throw new BuildError('usage', 'Flag "--root" needs a value');
    } else break;
  }
  const [first, ...rest] = argv.slice(at);
  if (first === undefined || first === '--help' || first === '-h') return { name: 'help', rest, root };
  if (first === '--version' || first === '-v') return { name: 'version', rest: ['--short'], root };
  if (Object.hasOwn(COMMANDS, first)) return { name: first, rest, root };
  if (looksLikeCommand(first) && !exists(resolve(cwd, first))) throw unknownCommand(first);
  return { name: DEFAULT_COMMAND, rest: argv.slice(at), root };
}

/** `imgaes` is a slip of the finger, `./app` and `-` are contexts. */
function looksLikeCommand(word: string): boolean {
  return /^[a-z][a-z-]*$/.test(word);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function unknownCommand(word: string): BuildError {
  const near = suggest(word, Object.keys(COMMANDS));
  return new BuildError('usage', `Unknown command "${word}"`, {
    hint: near === undefined ? 'see "tsbuild help"' : `did you mean "${near}"?`,
  });
}

/** Whether `--help` (or `-h`, where it means nothing else) is among the command's own arguments. */
function asksForHelp(command: Command, argv: readonly string[]): boolean {
  const takesH = Object.values(command.options).some(({ short }) => short === 'h');
  for (const argument of argv) {
    if (argument === '--') return false;
    if (argument === '--help' || (argument === '-h' && !takesH)) return true;
    // The command in the container has flags of its own.
    if (command.stopAtOperand === true && !argument.startsWith('-')) return false;
  }
  return false;
}
