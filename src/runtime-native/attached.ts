/** A container on the stdio of this process: one process of the native binary stays with it to its end. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { nativeEnvironment } from './environment.ts';
import { killFirstOfNamespace } from './orphans.ts';
import { Requests } from './requests.ts';
import type { ContainerSetting } from './spec.ts';
import { encodeSpec } from './spec.ts';
import type { LastRecord } from './status.ts';
import { exitOf, StatusReader } from './status.ts';
import type { ContainerExit, ContainerSpec, RunOptions } from './types.ts';

/** Descriptors of the supervisor, as in c/attached.c. */
const SPEC_FD = 3;
const STATUS_FD = 4;
const CONTROL_FD = 5;

const CONTROL_SIGNAL = 1;
const CONTROL_REQUEST = 2;

interface AttachedOptions extends Pick<RunOptions, 'signal' | 'onStarted'> {
  readonly setting: ContainerSetting;
  /** Otherwise the container's stdin is empty. */
  readonly openStdin: boolean;
}

/** Runs a container to its end; see `ContainerRuntime.run`. */
export async function runAttached(
  binaryPath: string,
  spec: ContainerSpec,
  { setting, openStdin, onStarted, signal }: AttachedOptions,
): Promise<ContainerExit> {
  const child = spawn(binaryPath, ['container'], {
    stdio: [openStdin ? 'inherit' : 'ignore', 'inherit', 'inherit', 'pipe', 'pipe', 'pipe'],
    env: nativeEnvironment(setting.snapshotter),
  });
  const supervisor = new Supervisor(child, onStarted);
  const abort = (): void => supervisor.kill('SIGKILL');
  signal?.addEventListener('abort', abort);
  try {
    supervisor.describe(encodeSpec(spec, openStdin, setting));
    const last = await supervisor.last();
    throwIfAborted(signal);
    if (last === undefined) {
      supervisor.killOrphan();
      throw new BuildError('runtime-failed', `The native runtime ended without a report: ${supervisor.ending}`);
    }
    return exitOf(last);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The supervisor process as seen from here: its pipes, its records, its end. */
class Supervisor {
  readonly #child: ChildProcess;
  readonly #last: Promise<LastRecord | undefined>;
  readonly #requests = new Requests((kind, number) => this.#control(CONTROL_REQUEST, kind, number));
  /** Host pid of the container's first process. */
  #pid: number | undefined;
  ending = 'it is still running';

  constructor(child: ChildProcess, onStarted: RunOptions['onStarted']) {
    this.#child = child;
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
        this.#requests.end();
        this.ending = signal === null ? `exit code ${code}` : `killed by ${signal}`;
        if (bug === undefined) resolve(last);
        else reject(bug.error instanceof Error ? bug.error : new Error(String(bug.error)));
      });
      this.#stream(STATUS_FD)?.on(
        'data',
        guarded((chunk: Uint8Array) => {
          for (const record of reader.push(chunk)) {
            if (record.kind === 'created') this.#pid = record.pid;
            else if (record.kind === 'answer') this.#requests.answer(record);
            else if (record.kind === 'started') {
              onStarted?.({ pid: record.pid, kill: (name) => this.kill(name), ...this.#requests.methods });
            } else {
              last = record;
              this.#requests.end();
            }
          }
        }),
      );
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
    this.#control(CONTROL_SIGNAL, constants.signals[signal], 0);
  }

  /**
   * Kills the container's process after its supervisor died, which the kernel has done already unless the process had gained
   * privileges by its exec.
   */
  killOrphan(): void {
    if (this.#pid !== undefined) killFirstOfNamespace(this.#pid);
  }

  /** struct control_message of c/attached.c. */
  #control(kind: number, value: number, number: number): void {
    const control = this.#writable(CONTROL_FD);
    if (control === undefined || control.destroyed) return;
    const message = Buffer.alloc(12);
    message.writeUInt32LE(kind, 0);
    message.writeUInt32LE(value, 4);
    message.writeUInt32LE(number, 8);
    control.write(message);
  }

  #stream(fd: number): Readable | Writable | undefined {
    return this.#child.stdio[fd] ?? undefined;
  }

  #writable(fd: number): Writable | undefined {
    const stream = this.#stream(fd);
    return stream !== undefined && 'write' in stream ? stream : undefined;
  }
}
