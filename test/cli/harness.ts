/** The command line with an engine that records what it is asked and streams that remember what is written. */
import { main } from '../../src/cli/main.ts';
import type { CliDeps, Environment } from '../../src/cli/types.ts';
import { digestOf } from '../../src/core/digest.ts';
import { inspector } from '../../src/engine.ts';
import type { Engine, EngineOptions } from '../../src/engine/types.ts';

export const IMAGE_ID = digestOf('image');
export const NOW_MS = Date.parse('2024-06-01T12:00:00Z');

/** The methods that a test answers itself; any other call fails the test. */
export type Answers = Partial<Omit<Engine, keyof AsyncDisposable>>;

export interface CliRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Options of each engine that was made. */
  readonly engines: readonly EngineOptions[];
  /** How many of them were closed. */
  readonly closed: number;
}

export interface CliOptions {
  readonly answers?: Answers;
  readonly env?: Environment;
  readonly stdin?: string;
  readonly terminal?: boolean;
  readonly cwd?: string;
  readonly uid?: number;
  readonly signal?: AbortSignal;
}

export async function cli(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const written = { stdout: '', stderr: '' };
  const engines: EngineOptions[] = [];
  let closed = 0;
  const output = (name: 'stdout' | 'stderr'): CliDeps['stdout'] => ({
    write: (data) => void (written[name] += Buffer.from(data).toString('utf8')),
    isTTY: options.terminal ?? false,
    columns: 80,
    rows: 24,
  });
  const deps: CliDeps = {
    createEngine: async (engineOptions) => {
      engines.push(engineOptions);
      return fakeEngine(options.answers ?? {}, () => closed++);
    },
    inspector: () => Promise.resolve(inspector),
    nativeRuntime: (args) => Promise.resolve(args.length),
    stdin: () =>
      Object.assign(
        (async function* read() {
          if (options.stdin !== undefined) yield Buffer.from(options.stdin);
        })(),
        { isTTY: options.terminal ?? false },
      ),
    stdout: output('stdout'),
    stderr: output('stderr'),
    signal: options.signal ?? new AbortController().signal,
    cwd: options.cwd ?? '/client',
    uid: options.uid ?? 0,
    now: () => NOW_MS,
  };
  const status = await main(argv, options.env ?? {}, deps);
  return { status, ...written, engines, closed };
}

function fakeEngine(answers: Answers, onClose: () => void): Engine {
  const dispose = async (): Promise<void> => onClose();
  return new Proxy({} as Engine, {
    get(_, name) {
      if (name === 'then') return undefined;
      if (name === Symbol.asyncDispose) return dispose;
      if (Object.hasOwn(answers, name)) return answers[name as keyof Answers];
      return () => {
        throw new Error(`the test did not expect a call of ${String(name)}`);
      };
    },
  });
}
