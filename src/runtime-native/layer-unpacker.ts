/** Unpacking a layer's tar by the native binary; c/files.h has the form of the request and the answer. */
import { once } from 'node:events';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { decodePath } from '../core/path-bytes.ts';
import { YoungGarbage } from '../core/young-garbage.ts';
import { distinctLayers } from './distinct-layers.ts';
import { writerError } from './files-errors.ts';
import { decodeReply, REPLY_SIZE } from './files-wire.ts';
import { readIdentity, IDENTITY_SIZE } from './layer-identity.ts';
import type { LayerSource, UnpackedLayer, UnpackOptions } from './tree-types.ts';
import type { Worker, WorkerPool } from './worker-pool.ts';

const SIZE_BYTES = 4;
/** Bytes on the way to the process before the source is held back: enough that neither waits for each chunk of the other. */
const MAX_WAITING = 1 << 20;

/** Settles with the answer, or rejects when there will be none. */
class Unpacking {
  readonly worker: Worker;
  readonly answer: Promise<UnpackedLayer>;
  /** Settles when the process is gone or free for others. */
  readonly ended: Promise<void>;
  private isReleased = false;
  private received: Buffer = Buffer.alloc(0);
  private resolve: (layer: UnpackedLayer) => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;
  private end: () => void = () => undefined;

  constructor(pool: WorkerPool, args: readonly string[]) {
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.ended = new Promise((resolve) => (this.end = resolve));
    // Whoever waits for it sees the failure.
    this.answer.catch(() => undefined);
    this.worker = pool.start(args, {
      onData: (chunk) => this.receive(chunk),
      onEnd: (error) => {
        this.reject(error);
        this.end();
      },
    });
  }

  fail(error: unknown): void {
    if (this.isReleased) return;
    this.reject(error);
    this.worker.kill();
  }

  /** Waits while the process has more than enough to read. Throws if it has failed. */
  async send(chunk: Uint8Array): Promise<void> {
    const size = Buffer.allocUnsafe(SIZE_BYTES);
    size.writeUInt32LE(chunk.length);
    const { input } = this.worker;
    input.cork();
    input.write(size);
    if (chunk.length > 0) input.write(chunk);
    input.uncork();
    if (input.writableNeedDrain && input.writableLength > MAX_WAITING)
      await Promise.race([once(input, 'drain').catch(() => undefined), this.answer]);
  }

  private receive(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    const next = decodeReply(this.received);
    if (next === undefined) return;
    if (next.reply.kind === 'failed') {
      this.fail(writerError(next.reply));
      return;
    }
    const end = REPLY_SIZE + this.received.readUInt32LE(REPLY_SIZE - SIZE_BYTES);
    if (this.received.length < end) return;
    this.resolve(readAnswer(this.received.subarray(REPLY_SIZE, end)));
    this.isReleased = true;
    this.worker.release();
    this.end();
  }
}

/** Throws `cancelled`, what `tar` throws, or what is wrong with the archive. No process works on `upper` any more when it settles. */
export async function unpackLayer(
  pool: WorkerPool,
  tar: LayerSource,
  upper: string,
  { lower, limits, signal }: UnpackOptions,
): Promise<UnpackedLayer> {
  const numbers = [limits.maxEntries, limits.maxPathBytes, limits.maxHeaderBytes].map(String);
  const file = 'file' in tar ? tar.file : '';
  const unpacking = new Unpacking(pool, ['files', 'unpack', upper, ...numbers, file, ...distinctLayers(lower)]);
  const abort = (): void => unpacking.fail(new BuildError('cancelled', 'The operation was cancelled'));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (!('file' in tar)) await sendAll(unpacking, tar, signal);
    return await unpacking.answer;
  } catch (error) {
    unpacking.fail(error);
    await unpacking.ended;
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

async function sendAll(unpacking: Unpacking, tar: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  const garbage = new YoungGarbage();
  for await (const chunk of tar) {
    throwIfAborted(signal);
    // Nothing would end the archive.
    if (chunk.length > 0) await unpacking.send(chunk);
    garbage.add(chunk.length);
  }
  throwIfAborted(signal);
  await unpacking.send(Buffer.alloc(0));
}

function readAnswer(bytes: Buffer): UnpackedLayer {
  const impliedParents: string[] = [];
  for (let at = IDENTITY_SIZE; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    impliedParents.push(decodePath(bytes.subarray(at, end)));
    at = end + 1;
  }
  return { ...readIdentity(bytes), impliedParents };
}
