/** The secrets of a build, read once when it begins: a pipe cannot be read again, and all steps see the same value. */
import { constants, createReadStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import type { Readable } from 'node:stream';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { MAX_SECRET_BYTES, secretTooLarge } from '../executor/secret-files.ts';
import type { SecretSource } from '../executor/types.ts';
import type { SecretInput } from './types.ts';

/** Throws `source-not-found` for what cannot be read and `limit-exceeded` for what is too large. */
export async function readSecrets(
  inputs: ReadonlyMap<string, SecretInput>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, SecretSource>> {
  const secrets = new Map<string, SecretSource>();
  for (const [id, input] of inputs) {
    throwIfAborted(signal);
    const value = input.kind === 'value' ? input.value : await readSecretFile(id, input.path, signal);
    if (value.length > MAX_SECRET_BYTES) throw secretTooLarge(id);
    secrets.set(id, { kind: 'value', value });
  }
  return secrets;
}

async function readSecretFile(id: string, path: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    // Neither opening a named pipe nor reading it may block a thread, which nothing could end. It is opened once: whether its writer
    // has gone is only told to a reader who was there.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stream = fstatSync(fd).isFIFO() ? pipeOf(fd) : createReadStream('', { fd, end: MAX_SECRET_BYTES });
    return await readAll(stream, signal);
  } catch (error) {
    throwIfAborted(signal);
    const reason = UNREADABLE[errnoOf(error) ?? ''];
    if (reason === undefined) throw error;
    throw new BuildError('source-not-found', `Cannot read the secret "${id}" from "${path}": ${reason}`, {
      hint: `name its file with --secret id=${id},src=FILE or its variable with --secret id=${id},env=VARIABLE`,
      cause: error,
    });
  }
}

function pipeOf(fd: number): Readable {
  return new Socket({ fd, readable: true, writable: false });
}

/** Little more than is allowed. Waits for one who writes, as long as the build is wanted. */
async function readAll(stream: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of addAbortSignal(signal, stream)) {
      chunks.push(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
      if (sizeBytes > MAX_SECRET_BYTES) break;
    }
  } finally {
    stream.destroy();
  }
  return Buffer.concat(chunks);
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  EAGAIN: 'there is nothing to read yet',
  ENXIO: 'it is a socket',
};
