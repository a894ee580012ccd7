/**
 * What all jobs of a process share: the limited slots, and the operations that are running, so that equal steps of two jobs run once.
 */
import { setMaxListeners } from 'node:events';
import type PQueue from 'p-queue';
import { throwIfAborted } from '../core/errors.ts';
import type { OutputStream } from './vertex-progress.ts';

/** Who hears of a running operation: one vertex of one job. */
export interface Member {
  start(): void;
  log(stream: OutputStream, data: Uint8Array): void;
  status(id: string, currentBytes: number, totalBytes?: number): void;
}

/** An operation as seen by what performs it; its output goes to every member. */
export interface RunningOperation extends Member {
  /** Aborts when nobody waits for the operation any more. */
  readonly signal: AbortSignal;
}

export interface ShareOptions {
  /** Of the job: aborting it gives up waiting. */
  readonly signal: AbortSignal;
  /**
   * The operation works on things that end with the job that began it (a client's files). When that job gives up, the operation is
   * aborted and another job that waits for it begins anew with its own.
   */
  readonly sessionBound: boolean;
}

/** Performs operations for any number of jobs. One per solver. */
export class Scheduler<T> {
  readonly #parallelism: number;
  readonly #operations = new Map<string, Operation<T>>();
  #queue: Promise<PQueue> | undefined;

  constructor(parallelism: number) {
    if (!Number.isInteger(parallelism) || parallelism < 1)
      throw new Error(`parallelism must be at least 1, not ${parallelism}`);
    this.#parallelism = parallelism;
  }

  /** How many operations are running or waiting for a slot. */
  get running(): number {
    return this.#operations.size;
  }

  /**
   * The result of the operation under `key`: of the one that is running, or else of `perform`. Rejects when `options.signal` aborts: at
   * once if others wait for the operation, else after it has stopped.
   */
  async share(
    key: string,
    perform: (operation: RunningOperation) => Promise<T>,
    member: Member,
    options: ShareOptions,
  ): Promise<T> {
    for (;;) {
      throwIfAborted(options.signal);
      const known = this.#operations.get(key);
      const operation = known ?? this.#begin(key, perform);
      const mayEndAlone = known === undefined && options.sessionBound;
      try {
        return await operation.wait(member, options.signal, mayEndAlone);
      } catch (error) {
        if (!operation.abandoned || options.signal.aborted) throw error;
      }
    }
  }

  /** Runs `run` in one of the limited slots; gives up when `signal` aborts before a slot is free. */
  async slot<V>(run: () => Promise<V>, signal: AbortSignal): Promise<V> {
    this.#queue ??= import('p-queue').then((module) => new module.default({ concurrency: this.#parallelism }));
    const queue = await this.#queue;
    throwIfAborted(signal);
    // The queue would free the slot as soon as its signal aborts, while the command is still stopping: so it only hears of aborts before.
    const waiting = new AbortController();
    const giveUp = (): void => waiting.abort(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await queue.add(
        async () => {
          signal.removeEventListener('abort', giveUp);
          return await run();
        },
        { signal: waiting.signal },
      );
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #begin(key: string, perform: (operation: RunningOperation) => Promise<T>): Operation<T> {
    const operation: Operation<T> = new Operation(perform, () => {
      if (this.#operations.get(key) === operation) this.#operations.delete(key);
    });
    this.#operations.set(key, operation);
    operation.begin();
    return operation;
  }
}

/** Log bytes kept for members that come late. */
const REPLAY_BYTES = 256 * 1024;

class Operation<T> implements RunningOperation {
  readonly #perform: (operation: RunningOperation) => Promise<T>;
  /** Called once it can no longer be joined. */
  readonly #forget: () => void;
  readonly #controller = new AbortController();
  readonly #members = new Set<Member>();
  readonly #replay: { readonly stream: OutputStream; readonly data: Uint8Array }[] = [];
  #replayBytes = 0;
  #started = false;
  #promise: Promise<T> | undefined;
  /** Aborted although somebody still waited. */
  abandoned = false;

  constructor(perform: (operation: RunningOperation) => Promise<T>, forget: () => void) {
    this.#perform = perform;
    this.#forget = forget;
    setMaxListeners(0, this.#controller.signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  begin(): void {
    this.#promise = this.#perform(this).finally(this.#forget);
    // Members that left don't look at it any more.
    this.#promise.catch(() => undefined);
  }

  start(): void {
    this.#started = true;
    for (const member of this.#members) member.start();
  }

  log(stream: OutputStream, data: Uint8Array): void {
    this.#replay.push({ stream, data });
    this.#replayBytes += data.length;
    while (this.#replayBytes > REPLAY_BYTES && this.#replay.length > 1)
      this.#replayBytes -= this.#replay.shift()?.data.length ?? 0;
    for (const member of this.#members) member.log(stream, data);
  }

  status(id: string, currentBytes: number, totalBytes?: number): void {
    for (const member of this.#members) member.status(id, currentBytes, totalBytes);
  }

  async wait(member: Member, signal: AbortSignal, mayEndAlone: boolean): Promise<T> {
    if (!this.#promise) throw new Error('the operation has not begun');
    if (this.#started) member.start();
    for (const { stream, data } of this.#replay) member.log(stream, data);
    this.#members.add(member);
    let leave: (() => void) | undefined;
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => {
        const others = this.#members.size > 1;
        if (others && !mayEndAlone) {
          this.#members.delete(member);
          reject(signal.reason);
          return;
        }
        if (others) this.abandoned = true;
        this.#forget();
        this.#controller.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([this.#promise, left]);
    } finally {
      this.#members.delete(member);
      if (leave) signal.removeEventListener('abort', leave);
    }
  }
}
