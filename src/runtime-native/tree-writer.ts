/** The writing end of `tsbuild-runtime files`: operations are batched, content streams through, the first failure ends it. */
import { once } from 'node:events';
import { BuildError } from '../core/errors.ts';
import { writerError } from './files-errors.ts';
import type { Operation } from './files-wire.ts';
import { decodeReply, Op } from './files-wire.ts';
import { Batch } from './operation-batch.ts';
import type { FileContent, Metadata, TreeWriter, WriteOptions } from './tree-types.ts';
import type { Worker, WorkerPool } from './worker-pool.ts';

const NODE_TYPES = { fifo: 0o010000, character: 0o020000, block: 0o060000 } as const;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Aborting `signal` ends it. */
export class NativeTreeWriter implements TreeWriter {
  private readonly worker: Worker;
  private readonly batch = new Batch();
  /** The operation that still has content to write; those that come after it wait. */
  private busy: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;
  private closing = false;
  private acknowledged = false;
  private replies: Buffer = Buffer.alloc(0);
  private readonly waiters: Waiter[] = [];
  private readonly ended: Promise<void>;
  private end: () => void = () => undefined;

  constructor(pool: WorkerPool, args: readonly string[], signal?: AbortSignal) {
    const abort = (): void => this.fail(cancelled(signal?.reason));
    this.ended = new Promise((resolve) => {
      this.end = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
    });
    this.worker = pool.start(args, {
      onData: (chunk) => this.receive(chunk),
      onEnd: (error) => {
        this.fail(error);
        this.end();
      },
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  }

  directory(path: string, metadata: Metadata, options: WriteOptions): Promise<void> {
    return this.enqueue({ op: Op.directory, path, metadata, options });
  }

  file(path: string, metadata: Metadata, content: FileContent, options: WriteOptions): Promise<void> {
    switch (content.kind) {
      case 'host':
        return this.enqueue({ op: Op.hostFile, path, text: content.path, metadata, options });
      case 'bytes':
        return this.enqueue({ op: Op.file, path, metadata, options, sizeBytes: content.data.length }, content.data);
      case 'stream': {
        const operation: Operation = { op: Op.file, path, metadata, options, sizeBytes: content.sizeBytes };
        return this.after(() => this.stream(operation, content.chunks, content.sizeBytes));
      }
    }
  }

  symlink(path: string, target: string, metadata: Metadata, options: WriteOptions): Promise<void> {
    return this.enqueue({ op: Op.symlink, path, text: target, metadata, options });
  }

  link(path: string, target: string, options: WriteOptions): Promise<void> {
    return this.enqueue({ op: Op.link, path, text: target.replace(/^\/+/, ''), options });
  }

  node(
    path: string,
    type: 'fifo' | 'character' | 'block',
    device: { readonly major: number; readonly minor: number },
    metadata: Metadata,
    options: WriteOptions,
  ): Promise<void> {
    return this.enqueue({ op: Op.node, path, type: NODE_TYPES[type], device, metadata, options });
  }

  whiteout(path: string): Promise<void> {
    return this.enqueue({ op: Op.whiteout, path });
  }

  opaque(path: string): Promise<void> {
    return this.enqueue({ op: Op.opaque, path });
  }

  remove(path: string): Promise<void> {
    return this.enqueue({ op: Op.remove, path });
  }

  async flush(): Promise<void> {
    await this.after(() => this.acknowledge(Op.flush));
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.after(async () => {
      await this.acknowledge(Op.close);
    });
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.fail(new BuildError('cancelled', 'The native file writer was closed before its end'));
    await this.ended;
  }

  /** Runs now where nothing is in the way, so that most operations cost no turn of the event loop. */
  private enqueue(operation: Operation, content?: Uint8Array): Promise<void> {
    return this.after(() => {
      this.batch.addOperation(operation);
      if (content !== undefined) this.batch.addContent(content);
      return this.batch.isFull() ? this.send() : undefined;
    });
  }

  private after(work: () => Promise<void> | undefined): Promise<void> {
    if (this.busy !== undefined) {
      return this.track(this.busy.then(() => this.perform(work)));
    }
    try {
      const pending = this.perform(work);
      return pending === undefined ? Promise.resolve() : this.track(pending);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private perform(work: () => Promise<void> | undefined): Promise<void> | undefined {
    if (this.failure !== undefined) throw this.failure.error;
    return work();
  }

  /** Makes later operations wait for `pending`, whose failure is the caller's to see. */
  private track(pending: Promise<void>): Promise<void> {
    const settled = pending.then(
      () => undefined,
      () => undefined,
    );
    this.busy = settled;
    void settled.then(() => {
      if (this.busy === settled) this.busy = undefined;
    });
    return pending;
  }

  private async stream(operation: Operation, chunks: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<void> {
    this.batch.addOperation(operation);
    let left = sizeBytes;
    try {
      for await (const chunk of chunks) {
        left -= chunk.length;
        if (left < 0) throw new Error(`The content of "${operation.path}" has more than ${sizeBytes} bytes`);
        this.batch.addContent(chunk);
        if (this.batch.isFull()) await this.send();
      }
      if (left > 0) throw new Error(`The content of "${operation.path}" ends ${left} bytes early`);
    } catch (error) {
      // Half a file is on its way; nothing can follow it.
      this.fail(error);
      throw error;
    }
  }

  /** Hands the batch over; settles when the process has taken enough of what was sent. */
  private async send(): Promise<void> {
    const { input } = this.worker;
    input.cork();
    let mayGoOn = true;
    for (const bytes of this.batch.take()) mayGoOn = input.write(bytes);
    input.uncork();
    if (!mayGoOn) {
      await Promise.race([once(input, 'drain').catch(() => undefined), this.ended]);
    }
    if (this.failure !== undefined) throw this.failure.error;
  }

  private async acknowledge(op: typeof Op.flush | typeof Op.close): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.waiters.push({ resolve, reject }));
    // If the send fails first, that is the failure to report.
    done.catch(() => undefined);
    this.batch.addOperation({ op });
    await this.send();
    await done;
  }

  private receive(chunk: Buffer): void {
    this.replies = Buffer.concat([this.replies, chunk]);
    for (let next = decodeReply(this.replies); next !== undefined; next = decodeReply(this.replies)) {
      this.replies = this.replies.subarray(next.sizeBytes);
      if (next.reply.kind === 'failed') this.fail(writerError(next.reply));
      else {
        if (this.closing && this.waiters.length === 1) this.finish();
        this.waiters.shift()?.resolve();
      }
    }
  }

  private fail(error: unknown): void {
    if (this.failure !== undefined || this.acknowledged) return;
    this.failure = { error };
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
    this.worker.kill();
  }

  /** All is written: the worker is free for others. */
  private finish(): void {
    this.acknowledged = true;
    this.worker.release();
    this.end();
  }
}

function cancelled(reason: unknown): BuildError {
  return reason instanceof BuildError
    ? reason
    : new BuildError('cancelled', 'The operation was cancelled', { cause: reason });
}
