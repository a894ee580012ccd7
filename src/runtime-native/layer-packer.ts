/** The canonical tar of a layer directory, as the native binary streams it; see c/pack.h for the frames. */
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { layerError } from './files-errors.ts';
import { decodeReply } from './files-wire.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Bytes that wait for a slow reader before the worker is held back. */
const MAX_WAITING = 1 << 20;
const FAILED = 0xffff_ffff;
const SIZE_BYTES = 4;

/** What has come of a layer and was not taken yet. */
class Inbox {
  private chunks: Buffer[] = [];
  private size = 0;
  private end: { readonly error: unknown } | undefined;
  private wake: (() => void) | undefined;

  get isFull(): boolean {
    return this.size > MAX_WAITING;
  }

  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.size += chunk.length;
    this.wake?.();
  }

  fail(error: unknown): void {
    this.end ??= { error };
    this.wake?.();
  }

  /** The next chunk; throws when there will be none. */
  async next(): Promise<Buffer> {
    for (;;) {
      const chunk = this.chunks.shift();
      if (chunk !== undefined) {
        this.size -= chunk.length;
        return chunk;
      }
      if (this.end !== undefined) throw this.end.error;
      await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
  }
}

/** The tar of the layer directory `dir`. */
export function packLayer(pool: WorkerPool, dir: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  return layerFrames(pool, ['pack', dir], dir, signal);
}

/**
 * The content of the frames with which the native binary answers `args`, which are about the layer `dir`. Throws `runtime-failed`,
 * `cancelled`, or what is wrong with the layer. Leaving the iteration early ends the work.
 */
export async function* layerFrames(
  pool: WorkerPool,
  args: readonly string[],
  dir: string,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  throwIfAborted(signal);
  const inbox = new Inbox();
  const worker = pool.start(args, {
    onData: (chunk) => {
      inbox.add(chunk);
      if (inbox.isFull) worker.pause();
    },
    onEnd: (error) => inbox.fail(error),
  });
  const abort = (): void => worker.kill();
  signal?.addEventListener('abort', abort, { once: true });
  let isDone = false;
  let pending: Buffer = Buffer.alloc(0);
  const more = async (): Promise<void> => {
    let chunk: Buffer;
    try {
      chunk = await inbox.next();
    } catch (error) {
      isDone = true;
      throwIfAborted(signal);
      throw error instanceof BuildError && error.code === 'runtime-failed' ? endedEarly(dir, error) : error;
    }
    if (!inbox.isFull) worker.resume();
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
  };
  try {
    for (;;) {
      while (pending.length < SIZE_BYTES) await more();
      const size = pending.readUInt32LE(0);
      pending = pending.subarray(SIZE_BYTES);
      if (size === FAILED) {
        let failure = decodeReply(pending);
        for (; failure === undefined; failure = decodeReply(pending)) await more();
        isDone = true;
        worker.release();
        throw failure.reply.kind === 'failed' ? layerError(failure.reply, dir) : new Error('No failure');
      }
      if (size === 0) break;
      for (let left = size; left > 0;) {
        if (pending.length === 0) await more();
        const part = pending.subarray(0, left);
        pending = pending.subarray(part.length);
        left -= part.length;
        yield part;
      }
    }
    isDone = true;
    worker.release();
    throwIfAborted(signal);
  } finally {
    signal?.removeEventListener('abort', abort);
    if (!isDone) worker.kill();
  }
}

function endedEarly(dir: string, cause: BuildError): BuildError {
  return new BuildError('runtime-failed', `${cause.message} on "${dir}"`);
}
