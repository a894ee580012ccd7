/** Reading exact amounts of bytes from a stream of chunks, without copying where a chunk has them all. */
import { invalidArchive } from '../core/archive-errors.ts';

const EMPTY: Buffer = Buffer.alloc(0);

export class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>;
  private chunk: Buffer = EMPTY;
  private at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** The next `size` bytes if they are at hand already. */
  takeNow(size: number): Buffer | undefined {
    if (this.chunk.length - this.at < size) return undefined;
    this.at += size;
    return this.chunk.subarray(this.at - size, this.at);
  }

  /** The next `size` bytes; undefined at the end of the source. Throws `invalid-archive` if the source ends within them. */
  async take(size: number): Promise<Buffer | undefined> {
    const now = this.takeNow(size);
    if (now !== undefined) return now;
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      const part = await this.takeSome(missing);
      if (part === undefined) {
        if (missing === size) return undefined;
        throw truncated();
      }
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts, size);
  }

  /** At least one and at most `size` bytes; undefined at the end of the source. */
  async takeSome(size: number): Promise<Buffer | undefined> {
    while (this.at === this.chunk.length) {
      const next = await this.source.next();
      if (next.done === true) return undefined;
      this.chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
      this.at = 0;
    }
    const end = Math.min(this.chunk.length, this.at + size);
    const part = this.chunk.subarray(this.at, end);
    this.at = end;
    return part;
  }

  async skip(size: number): Promise<void> {
    let missing = size;
    while (missing > 0) {
      const part = await this.takeSome(missing);
      if (part === undefined) throw truncated();
      missing -= part.length;
    }
  }

  /** Reads to the end of the source. */
  async drain(): Promise<void> {
    this.at = this.chunk.length;
    while ((await this.source.next()).done !== true);
  }

  /** Tells the source that nothing more is wanted. */
  async stop(): Promise<void> {
    await this.source.return?.();
  }
}

function truncated(): Error {
  return invalidArchive('the archive ends early');
}
