/** The container runtime on top of the native binary: one supervisor process for each container. */
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { encodeSpec } from './spec.ts';
import type { StatusRecord } from './status.ts';
import { startError, StatusReader } from './status.ts';
import type { ContainerExit, ContainerRuntime, ContainerSpec, ContainerStdio, RunOptions } from './types.ts';

/** Descriptors of the supervisor, as in c/container.c. */
const SPEC_FD = 3;
const STATUS_FD = 4;
const CONTROL_FD = 5;

const CONTROL_SIGNAL = 1;

/** A runtime that runs `binaryPath`, the file that `findRuntimeBinary` finds. */
export function createNativeRuntime({ binaryPath }: { readonly binaryPath: string }): ContainerRuntime {
  return { run: async (spec, options) => await runContainer(binaryPath, spec, options) };
}

async function runContainer(binaryPath: string, spec: ContainerSpec, options: RunOptions): Promise<ContainerExit> {
  const { stdio, signal } = options;
  throwIfAborted(signal);
  if (spec.terminal && stdio.kind !== 'inherit') throw new Error('a terminal needs the stdio of the caller');
  const bytes = encodeSpec(spec, stdio.kind === 'inherit' && stdio.openStdin);
  // In a session of its own a piped container gets no signal from the caller's terminal, only from the control pipe.
  const child = spawn(binaryPath, ['container'], {
    stdio: stdioOptions(stdio),
    detached: stdio.kind === 'pipe',
    env: {},
  });
  const supervisor = new Supervisor(child, options);
  const abort = (): void => supervisor.kill('SIGKILL');
  signal?.addEventListener('abort', abort);
  try {
    supervisor.describe(bytes);
    const last = await supervisor.last();
    throwIfAborted(signal);
    if (last === undefined) {
      supervisor.killOrphan();
      throw new BuildError('runtime-failed', `The native runtime ended without a report: ${supervisor.ending}`);
    }
    if (last.kind === 'failed') throw startError(last);
    return { code: last.code, oomKilled: last.oomKilled };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function stdioOptions(stdio: ContainerStdio): StdioOptions {
  return stdio.kind === 'pipe'
    ? ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe']
    : [stdio.openStdin ? 'inherit' : 'ignore', 'inherit', 'inherit', 'pipe', 'pipe', 'pipe'];
}

type LastRecord = Extract<StatusRecord, { readonly kind: 'failed' | 'exited' }>;

/** The supervisor process as seen from here: its pipes, its records, its end. */
class Supervisor {
  readonly #child: ChildProcess;
  readonly #options: RunOptions;
  readonly #last: Promise<LastRecord | undefined>;
  /** Host pid of the container's first process. */
  #pid: number | undefined;
  ending = 'it is still running';

  constructor(child: ChildProcess, options: RunOptions) {
    this.#child = child;
    this.#options = options;
    this.#last = new Promise((resolve, reject) => {
      let last: LastRecord | undefined;
      const reader = new StatusReader();
      // A bug in a callback of the caller must not leave the container behind, so it is thrown when that is gone.
      let bug: { readonly error: unknown } | undefined;
      const guarded = <T>(callback: (value: T) => void): ((value: T) => void) => {
        return (value) => {
          try {
            callback(value);
          } catch (error) {
            bug ??= { error };
            this.kill('SIGKILL');
          }
        };
      };
      child.on('error', (cause) =>
        reject(new BuildError('runtime-unavailable', 'Cannot run the native runtime', { cause })),
      );
      child.on('close', (code, signal) => {
        this.ending = signal === null ? `exit code ${code}` : `killed by ${signal}`;
        if (bug === undefined) resolve(last);
        else reject(bug.error instanceof Error ? bug.error : new Error(String(bug.error)));
      });
      this.#stream(STATUS_FD)?.on(
        'data',
        guarded((chunk: Uint8Array) => {
          for (const record of reader.push(chunk)) {
            if (record.kind === 'created') this.#pid = record.pid;
            else if (record.kind === 'started')
              this.#options.onStarted?.({ pid: record.pid, kill: (name) => this.kill(name) });
            else last = record;
          }
        }),
      );
      if (options.stdio.kind !== 'pipe') return;
      child.stdout?.on('data', guarded(options.stdio.onStdout));
      child.stderr?.on('data', guarded(options.stdio.onStderr));
    });
    // A supervisor that ends early closes these before they are written; its missing report says so.
    for (const fd of [SPEC_FD, CONTROL_FD]) this.#stream(fd)?.on('error', () => undefined);
  }

  /** The last record, or undefined if the supervisor ended without one. All output has been delivered by then. */
  async last(): Promise<LastRecord | undefined> {
    return await this.#last;
  }

  describe(bytes: Uint8Array): void {
    this.#writable(SPEC_FD)?.end(bytes);
  }

  kill(signal: NodeJS.Signals): void {
    const control = this.#writable(CONTROL_FD);
    if (control === undefined || control.destroyed) return;
    const message = Buffer.alloc(8);
    message.writeUInt32LE(CONTROL_SIGNAL, 0);
    message.writeUInt32LE(constants.signals[signal], 4);
    control.write(message);
  }

  /**
   * Kills the container's process after its supervisor died, which the kernel has done already unless the process had gained
   * privileges by its exec.
   */
  killOrphan(): void {
    if (this.#pid !== undefined && isFirstOfNamespace(this.#pid)) process.kill(this.#pid, 'SIGKILL');
  }

  #stream(fd: number): Readable | Writable | undefined {
    return this.#child.stdio[fd] ?? undefined;
  }

  #writable(fd: number): Writable | undefined {
    const stream = this.#stream(fd);
    return stream !== undefined && 'write' in stream ? stream : undefined;
  }
}

/** Whether the process is the first of a pid namespace below ours; a pid that was given to another process is not. */
function isFirstOfNamespace(pid: number): boolean {
  try {
    return /^NSpid:\s*\d+(\s+\d+)*\s+1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}
