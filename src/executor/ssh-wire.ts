/** The data types that all of SSH is made of (RFC 4251, section 5). */

/** Reads one field after the other. Throws `RangeError` where the bytes end early. */
export class WireReader {
  #rest: Buffer;

  constructor(bytes: Uint8Array) {
    this.#rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint32(): number {
    return this.#take(4).readUInt32BE();
  }

  /** Also an mpint, which is a string of a number's bytes. */
  string(): Buffer {
    return this.#take(this.uint32());
  }

  text(): string {
    return this.string().toString('latin1');
  }

  #take(sizeBytes: number): Buffer {
    if (sizeBytes > this.#rest.length) throw new RangeError('the bytes end early');
    const taken = this.#rest.subarray(0, sizeBytes);
    this.#rest = this.#rest.subarray(sizeBytes);
    return taken;
  }
}

export function wireUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function wireString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([wireUint32(bytes.length), bytes]);
}

/** `magnitude` is a number that is not negative, most significant byte first, at any length. */
export function wireMpint(magnitude: Uint8Array): Buffer {
  const bytes = withoutZeros(magnitude);
  // The first bit is the sign.
  return wireString((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes);
}

export function withoutZeros(magnitude: Uint8Array): Uint8Array {
  const start = magnitude.findIndex((byte) => byte !== 0);
  return start < 0 ? new Uint8Array(0) : magnitude.subarray(start);
}
