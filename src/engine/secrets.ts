/** The secrets of a build, read once when it begins: a pipe cannot be read again, and all steps see the same value. */
import { open } from 'node:fs/promises';
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

/** At most one byte more than is allowed. */
async function readSecretFile(id: string, path: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const chunks: Buffer[] = [];
    for await (const chunk of file.createReadStream({ end: MAX_SECRET_BYTES, signal, autoClose: false })) {
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks);
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

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENXIO: 'it is a socket',
};
