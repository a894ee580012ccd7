/** Messages to and from the helper, as in c/channel.h: container, kind and size, each a little-endian word, then the data. */

export const MessageKind = { start: 1, signal: 2, status: 3, stdout: 4, stderr: 5, request: 6, network: 7 } as const;

export interface Message {
  readonly container: number;
  readonly kind: number;
  readonly data: Buffer;
}

const HEAD_BYTES = 12;

export function encodeHead(container: number, kind: number, size: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(container, 0);
  head.writeUInt32LE(kind, 4);
  head.writeUInt32LE(size, 8);
  return head;
}

/** Cuts messages from the bytes of the channel. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = HEAD_BYTES;

  /** The messages that `chunk` completes. Their data may be parts of `chunk`. */
  *push(chunk: Buffer): Generator<Message> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    // What is cut off a large message's parts is joined once, when it is whole.
    while (this.#size >= this.#wanted) {
      const bytes = this.#chunks.length === 1 ? (this.#chunks[0] ?? chunk) : Buffer.concat(this.#chunks);
      this.#chunks = [bytes];
      const end = HEAD_BYTES + bytes.readUInt32LE(8);
      if (bytes.length < end) {
        this.#wanted = end;
        return;
      }
      this.#chunks = [bytes.subarray(end)];
      this.#size = bytes.length - end;
      this.#wanted = HEAD_BYTES;
      yield {
        container: bytes.readUInt32LE(0),
        kind: bytes.readUInt32LE(4),
        data: bytes.subarray(HEAD_BYTES, end),
      };
    }
  }
}
