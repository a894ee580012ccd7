/** Secrets as files in memory: they must never reach a disk. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveTo } from '../core/give.ts';
import { BuildError, errnoOf } from '../core/errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import type { SecretSource } from './types.ts';

const TMPFS_MAGIC = 0x01021994;
const CANDIDATES = ['/dev/shm', '/run'];
const PREFIX = 'tsbuild-secrets-';
/** As in BuildKit. */
export const MAX_SECRET_BYTES = 500 * 1024;

export interface SecretFileOptions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export class SecretFiles implements AsyncDisposable {
  private dir: string | undefined;
  private count = 0;

  /** Host path of a file with the value, which lasts as long as the build. */
  write(value: Uint8Array, { mode, uid, gid }: SecretFileOptions): string {
    this.dir ??= makeDirectory();
    const path = join(this.dir, String(this.count++));
    writeFileSync(path, value, { mode: 0o600, flag: 'wx' });
    giveTo(path, uid, gid);
    chmodSync(path, mode);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.dir !== undefined) rmSync(this.dir, { recursive: true, force: true });
    this.dir = undefined;
  }
}

/** The value of a secret; throws `source-not-found` and `limit-exceeded`. */
export function readSecret(id: string, source: SecretSource): Uint8Array {
  const value = source.kind === 'value' ? source.value : readSecretFile(id, source.path);
  if (value.length > MAX_SECRET_BYTES) throw secretTooLarge(id);
  return value;
}

export function secretTooLarge(id: string): BuildError {
  return new BuildError('limit-exceeded', `Cannot use the secret "${id}": it is larger than ${MAX_SECRET_BYTES} bytes`);
}

function readSecretFile(id: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    throw new BuildError('source-not-found', `Cannot read the secret "${id}" from "${path}": ${code}`, {
      cause: error,
    });
  }
}

function makeDirectory(): string {
  const base = CANDIDATES.find(isMemory);
  if (base === undefined) {
    throw new BuildError(
      'unsupported',
      `Cannot mount a secret: neither ${CANDIDATES.join(' nor ')} is a file system in memory`,
    );
  }
  const self = currentOwner();
  for (const name of readdirSync(base)) {
    // What a killed process left.
    if (name.startsWith(PREFIX) && isAbandoned(name, self)) rmSync(join(base, name), { recursive: true, force: true });
  }
  const dir = join(base, ownedName(`${PREFIX}${randomBytes(8).toString('hex')}`, self));
  mkdirSync(dir, { mode: 0o700 });
  return dir;
}

function isMemory(path: string): boolean {
  try {
    return statfsSync(path).type === TMPFS_MAGIC;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
