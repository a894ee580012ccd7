/** The native helper: one process that starts all containers of this tsbuild whose output comes here. See c/serve.c. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Duplex } from 'node:stream';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import type { Message } from './channel.ts';
import { encodeHead, MessageKind, MessageReader } from './channel.ts';
import { nativeEnvironment } from './environment.ts';
import { killFirstOfNamespace } from './orphans.ts';
import { Requests } from './requests.ts';
import type { ContainerSetting } from './spec.ts';
import { encodeBridge, encodeSpec } from './spec.ts';
import { bridgeStateOf, exitOf, parseRecord } from './status.ts';
import type { BridgeState, ContainerExit, ContainerSpec, RunOptions } from './types.ts';

/** As in c/serve.c. */
const CHANNEL_FD = 3;

export interface HelperRunOptions extends Pick<RunOptions, 'signal' | 'onStarted'> {
  readonly onStdout: (chunk: Uint8Array) => void;
  readonly onStderr: (chunk: Uint8Array) => void;
}

/** A container that the helper was asked for and has not finished. */
interface Pending {
  readonly options: HelperRunOptions;
  readonly resolve: (exit: ContainerExit) => void;
  readonly reject: (error: unknown) => void;
  readonly requests: Requests;
  /** Host pid of its first process. */
  pid: number | undefined;
  /** What a callback of the caller threw; it rejects when the container is gone. */
  bug: { readonly error: unknown } | undefined;
}

/** Somebody who asked about the network. */
interface Question {
  readonly resolve: (state: BridgeState) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts the helper process; it ends with `close`, and with this process. */
export class Helper {
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  readonly #closed: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  /** Answered in order. */
  readonly #questions: Question[] = [];
  readonly #setting: ContainerSetting;
  #last = 0;
  #ended = false;
  #closing = false;

  constructor(binaryPath: string, setting: ContainerSetting) {
    this.#setting = setting;
    // In a session of its own: an interrupt at the terminal is tsbuild's to act upon.
    this.#child = spawn(binaryPath, ['serve'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      detached: true,
      env: nativeEnvironment(setting.snapshotter),
    });
    const channel = this.#child.stdio[CHANNEL_FD];
    if (!(channel instanceof Duplex)) throw new Error('the helper has no channel');
    this.#channel = channel;
    const reader = new MessageReader();
    channel.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) this.#receive(message);
    });
    // Its end says the same, and more.
    channel.on('error', () => undefined);
    this.#child.on('error', (cause) =>
      this.#end(new BuildError('runtime-unavailable', 'Cannot run the native runtime', { cause })),
    );
    this.#closed = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        const ending = signal === null ? `exit code ${code}` : `killed by ${signal}`;
        this.#end(new BuildError('runtime-failed', `The native runtime ended without a report: ${ending}`));
        resolve();
      });
    });
    this.#hold(false);
  }

  get isRunning(): boolean {
    return !this.#ended;
  }

  /** Runs a container to its end; see `ContainerRuntime.run`. */
  async run(spec: ContainerSpec, options: HelperRunOptions): Promise<ContainerExit> {
    const { signal } = options;
    const bytes = encodeSpec(spec, false, this.#setting);
    const number = ++this.#last;
    const abort = (): void => this.#kill(number, 'SIGKILL');
    signal?.addEventListener('abort', abort);
    try {
      const exit = await new Promise<ContainerExit>((resolve, reject) => {
        this.#hold(true);
        const requests = new Requests((kind, request) => this.#request(number, kind, request));
        this.#pending.set(number, { options, resolve, reject, requests, pid: undefined, bug: undefined });
        this.#send(number, MessageKind.start, bytes);
      });
      throwIfAborted(signal);
      return exit;
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#pending.get(number)?.requests.end();
      this.#pending.delete(number);
      this.#holdIfBusy();
    }
  }

  /** See `ContainerRuntime.network`. */
  async network(): Promise<BridgeState> {
    try {
      return await new Promise<BridgeState>((resolve, reject) => {
        this.#hold(true);
        this.#questions.push({ resolve, reject });
        this.#send(0, MessageKind.network, Buffer.from(encodeBridge(this.#setting.bridge)));
      });
    } finally {
      this.#holdIfBusy();
    }
  }

  /** Ends the helper, with every container that it still has; resolves when all that it made is gone. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#hold(true);
    this.#channel.end();
    await this.#closed;
  }

  /** Only a helper with something to do keeps this process alive. */
  #hold(active: boolean): void {
    const channel = this.#channel;
    if (active) {
      this.#child.ref();
      if ('ref' in channel && typeof channel.ref === 'function') channel.ref();
    } else {
      this.#child.unref();
      if ('unref' in channel && typeof channel.unref === 'function') channel.unref();
    }
  }

  #holdIfBusy(): void {
    if (this.#pending.size === 0 && this.#questions.length === 0) this.#hold(this.#closing);
  }

  #send(container: number, kind: number, data: Uint8Array): void {
    this.#channel.write(Buffer.concat([encodeHead(container, kind, data.length), data]));
  }

  #kill(container: number, name: NodeJS.Signals): void {
    if (this.#ended || !this.#pending.has(container)) return;
    const number = Buffer.alloc(4);
    number.writeUInt32LE(constants.signals[name]);
    this.#send(container, MessageKind.signal, number);
  }

  #request(container: number, kind: number, request: number): void {
    const words = Buffer.alloc(8);
    words.writeUInt32LE(kind, 0);
    words.writeUInt32LE(request, 4);
    this.#send(container, MessageKind.request, words);
  }

  #receive({ container, kind, data }: Message): void {
    if (kind === MessageKind.network) {
      this.#questions.shift()?.resolve(bridgeStateOf(data));
      return;
    }
    const pending = this.#pending.get(container);
    if (pending === undefined)
      throw new Error(`the native runtime tells of container ${container}, which there is not`);
    switch (kind) {
      case MessageKind.stdout:
        this.#guard(container, pending, () => pending.options.onStdout(data));
        return;
      case MessageKind.stderr:
        this.#guard(container, pending, () => pending.options.onStderr(data));
        return;
      case MessageKind.status:
        this.#status(container, pending, data);
        return;
      default:
        throw new Error(`the native runtime sent a message of kind ${kind}`);
    }
  }

  #status(container: number, pending: Pending, data: Buffer): void {
    const record = parseRecord(data);
    switch (record.kind) {
      case 'created':
        pending.pid = record.pid;
        return;
      case 'started':
        this.#guard(container, pending, () =>
          pending.options.onStarted?.({
            pid: record.pid,
            kill: (name) => this.#kill(container, name),
            ...pending.requests.methods,
          }),
        );
        return;
      case 'answer':
        pending.requests.answer(record);
        return;
      case 'failed':
      case 'exited':
        if (pending.bug !== undefined) {
          pending.reject(pending.bug.error);
          return;
        }
        try {
          pending.resolve(exitOf(record));
        } catch (error) {
          pending.reject(error);
        }
    }
  }

  /** A bug in a callback of the caller must not leave the container behind, so it is thrown when that is gone. */
  #guard(container: number, pending: Pending, callback: () => void): void {
    try {
      callback();
    } catch (error) {
      pending.bug ??= { error };
      this.#kill(container, 'SIGKILL');
    }
  }

  #end(error: BuildError): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { pid, reject } of this.#pending.values()) {
      if (pid !== undefined) killFirstOfNamespace(pid);
      reject(error);
    }
    for (const { reject } of this.#questions.splice(0)) reject(error);
  }
}
