/**
 * Small files that several processes share: whole or not there.
 *
 * Synchronous, because for a few hundred bytes a system call costs less than the way to the thread pool and back.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { storeError } from '../core/store-errors.ts';

/** The file's bytes, or undefined if there is none. */
export function readIfExists(path: string): Buffer | undefined {
  return ifExists(() => readFileSync(path));
}

/** The names in a directory in no particular order, none if there is no directory. */
export function listIfExists(dir: string): string[] {
  return ifExists(() => readdirSync(dir)) ?? [];
}

/** What `run` returns, or undefined if what it looks for does not exist. */
export function ifExists<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Replaces the file at `path`, for readers at one instant. `tmp` is a directory on the same file system; both directories are made when
 * missing. Throws `store-full`, `store-unwritable`.
 *
 * Not synced: after a power cut the file may be gone or cut off, which its reader must notice.
 */
export function replaceFile(path: string, data: string | Uint8Array, tmp: string): void {
  const temporary = join(tmp, randomBytes(12).toString('hex'));
  try {
    makingParents(temporary, () => writeFileSync(temporary, data, { flag: 'wx' }));
    makingParents(path, () => renameSync(temporary, path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw storeError(error, path);
  }
}

function makingParents(path: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    run();
  }
}
