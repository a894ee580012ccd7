/** Operations and contents on their way to the native writer, gathered so that many small ones are one write. */
import type { Operation } from './files-wire.ts';
import { encodeOperation, operationBound } from './files-wire.ts';

/** A batch is full with about this many bytes. */
const BATCH_BYTES = 64 << 10;
/** Content from this size on is passed on as it is; less is copied, which costs less than a write of its own. */
const LARGE_BYTES = 16 << 10;

export class Batch {
  private parts: Uint8Array[] = [];
  /** Bytes in `parts`. */
  private partBytes = 0;
  private buffer: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  /** What of `buffer` is not in `parts` yet. */
  private start = 0;
  private end = 0;

  addOperation(operation: Operation): void {
    this.reserve(operationBound(operation));
    this.end = encodeOperation(operation, this.buffer, this.end);
  }

  /** Large `bytes` must not change until the batch is written. */
  addContent(bytes: Uint8Array): void {
    if (bytes.length >= LARGE_BYTES) {
      this.seal();
      this.parts.push(bytes);
      this.partBytes += bytes.length;
    } else {
      this.reserve(bytes.length);
      this.buffer.set(bytes, this.end);
      this.end += bytes.length;
    }
  }

  isFull(): boolean {
    return this.partBytes + this.end - this.start >= BATCH_BYTES;
  }

  /** Everything since the last call, in order. */
  take(): Uint8Array[] {
    this.seal();
    const taken = this.parts;
    this.parts = [];
    this.partBytes = 0;
    return taken;
  }

  private seal(): void {
    if (this.end === this.start) return;
    this.parts.push(this.buffer.subarray(this.start, this.end));
    this.partBytes += this.end - this.start;
    this.start = this.end;
  }

  private reserve(size: number): void {
    if (this.buffer.length - this.end >= size) return;
    this.seal();
    this.buffer = Buffer.allocUnsafeSlow(Math.max(size, BATCH_BYTES));
    this.start = this.end = 0;
  }
}
