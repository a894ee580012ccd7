/**
 * Processes of the native binary that do file work, kept for the next piece of it: starting one takes longer than most of the work.
 * They never keep this process alive, and end with it. See c/worker.c.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { BuildError } from '../core/errors.ts';
import type { NativeEnvironment } from './environment.ts';
import { encodePath } from '../core/path-bytes.ts';

/** Who a worker works for. */
export interface WorkerClient {
  /** What the worker writes. */
  onData(chunk: Buffer): void;
  /** It ended before it was released: by itself, or killed. Nothing follows. */
  onEnd(error: BuildError): void;
}

/** More would be kept only after a burst of parallel work. */
const MAX_IDLE = 4;

export class WorkerPool {
  private readonly binaryPath: string;
  private readonly environment: NativeEnvironment;
  private readonly idle: Worker[] = [];

  constructor(binaryPath: string, environment: NativeEnvironment) {
    this.binaryPath = binaryPath;
    this.environment = environment;
  }

  /** A worker that starts on `args`; it is the client's until `release` or its end. */
  start(args: readonly string[], client: WorkerClient): Worker {
    const worker = this.idle.pop() ?? new Worker(this.binaryPath, this.environment, this.idle);
    worker.begin(args, client);
    return worker;
  }
}

export class Worker {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly idle: Worker[];
  private client: WorkerClient | undefined;
  private startFailure: Error | undefined;

  constructor(binaryPath: string, env: NativeEnvironment, idle: Worker[]) {
    this.idle = idle;
    this.child = spawn(binaryPath, ['worker'], { env, stdio: 'pipe' });
    this.child.on('error', (error) => (this.startFailure = error));
    this.child.on('close', (code, signal) => this.ended(signal ?? code ?? -1));
    // The reason is in the exit of the process.
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (chunk: Buffer) => this.client?.onData(chunk));
    this.child.stderr.resume();
  }

  /** Where the work's input goes. */
  get input(): Writable {
    return this.child.stdin;
  }

  begin(args: readonly string[], client: WorkerClient): void {
    this.client = client;
    this.keepAlive(true);
    const request = Buffer.concat(args.flatMap((arg) => [encodePath(arg), Buffer.alloc(1)]));
    const size = Buffer.alloc(4);
    size.writeUInt32LE(request.length);
    this.child.stdin.write(Buffer.concat([size, request]));
  }

  /** Holds back what the worker writes, until `resume`. */
  pause(): void {
    this.child.stdout.pause();
  }

  resume(): void {
    this.child.stdout.resume();
  }

  /** Its work is done: what it wrote has been read, and no input is on the way. */
  release(): void {
    this.client = undefined;
    this.resume();
    if (this.idle.length === MAX_IDLE) this.child.stdin.end();
    else this.idle.push(this);
    this.keepAlive(false);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private ended(status: number | NodeJS.Signals): void {
    const at = this.idle.indexOf(this);
    if (at !== -1) this.idle.splice(at, 1);
    this.client?.onEnd(
      this.startFailure === undefined
        ? new BuildError('runtime-failed', `The native file worker ended early (${status})`)
        : new BuildError('runtime-unavailable', 'Cannot start the native file worker', { cause: this.startFailure }),
    );
    this.client = undefined;
  }

  /** The pipes of a child process are sockets. */
  private keepAlive(wanted: boolean): void {
    const { child } = this;
    for (const handle of [child, child.stdin as Socket, child.stdout as Socket, child.stderr as Socket]) {
      if (wanted) handle.ref();
      else handle.unref();
    }
  }
}
