/**
 * The server's side of the protocol of SSH agents (draft-ietf-sshm-ssh-agent): messages with their length in front, one answer for each.
 *
 * Only the two questions that ssh has to ask get as far as an agent: which keys there are, and what the signature of something is. All else,
 * such as adding and removing keys, locking and extensions, is refused here, so that a command cannot change the client's agent.
 */
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import type { AgentKey } from './types.ts';
import { WireReader, wireString, wireUint32 } from './ssh-wire.ts';

const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;

/** As much as OpenSSH takes. */
const MAX_MESSAGE_BYTES = 256 << 10;

/** From the type and body of a message to that of its answer. */
export type Answer = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** Answers until the client sends no more; throws when it breaks the rules, and what the connection or `answer` throws. */
export async function serveAgent(client: Duplex, answer: Answer): Promise<void> {
  for await (const message of readMessages(client)) {
    const isAllowed = message[0] === REQUEST_IDENTITIES || message[0] === SIGN_REQUEST;
    await writeMessage(client, isAllowed ? await answer(message) : Uint8Array.of(FAILURE));
  }
  client.end();
}

/** Answers with keys of the build's own. */
export function answerWith(keys: readonly AgentKey[]): Answer {
  return (message) => {
    if (message[0] === REQUEST_IDENTITIES) {
      const identities = keys.flatMap(({ blob }) => [wireString(blob), wireString('')]);
      return Buffer.concat([Uint8Array.of(IDENTITIES_ANSWER), wireUint32(keys.length), ...identities]);
    }
    const request = new WireReader(message.subarray(1));
    const [blob, data, flags] = [request.string(), request.string(), request.uint32()];
    const signature = keys.find((key) => blob.equals(key.blob))?.sign(data, flags);
    if (signature === undefined) return Uint8Array.of(FAILURE);
    return Buffer.concat([Uint8Array.of(SIGN_RESPONSE), wireString(signature)]);
  };
}

export async function writeMessage(stream: Duplex, message: Uint8Array): Promise<void> {
  if (!stream.write(wireString(message))) await once(stream, 'drain');
}

/** The messages without their lengths; throws for one that is empty or too long, and for a part of one at the end. */
export async function* readMessages(stream: Readable): AsyncGenerator<Buffer, undefined> {
  let buffered = Buffer.alloc(0);
  for await (const chunk of stream) {
    buffered = Buffer.concat([buffered, chunk as Buffer]);
    while (buffered.length >= 4) {
      const sizeBytes = buffered.readUInt32BE();
      if (sizeBytes === 0 || sizeBytes > MAX_MESSAGE_BYTES) throw new Error(`a message of ${sizeBytes} bytes`);
      if (buffered.length < 4 + sizeBytes) break;
      yield buffered.subarray(4, 4 + sizeBytes);
      buffered = buffered.subarray(4 + sizeBytes);
    }
  }
  if (buffered.length > 0) throw new Error('a message ends early');
}
