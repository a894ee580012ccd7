/**
 * Leases: which builds are running, and since when. What a running build may have found in the cache is not pruned.
 *
 * A lease is an empty file `<dir>/<start ms>-<random>.<owner>`; all it says is in its name, so there is no moment at which it is there
 * and says nothing. When its process dies without releasing it, the next one to look removes it. Of a process in another pid namespace
 * nothing can be known, so such a lease counts until the machine is started again.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import { storeError } from '../core/store-errors.ts';
import { listIfExists } from './files.ts';

export interface Lease extends AsyncDisposable {
  readonly startedAtMs: number;
  /** Releases the lease; may be called again. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Declares that a build starts now; to be called before it looks for anything in the cache. `dir` (`<root>/leases`) is made when missing.
 * Throws `store-full`, `store-unwritable`.
 */
export async function acquireLease(dir: string, clock: () => number = Date.now): Promise<Lease> {
  const startedAtMs = clock();
  const path = join(dir, ownedName(`${startedAtMs}-${randomBytes(8).toString('hex')}`, currentOwner()));
  try {
    mkdirSync(dir, { recursive: true });
    writeFileSync(path, '', { flag: 'wx' });
  } catch (error) {
    throw storeError(error, path);
  }
  return {
    startedAtMs,
    async [Symbol.asyncDispose]() {
      rmSync(path, { force: true });
    },
  };
}

/** When the oldest build that is running began, in ms since 1970; undefined if none is. Removes leases of processes that are gone. */
export async function oldestLiveLease(dir: string): Promise<number | undefined> {
  const self = currentOwner();
  let oldest: number | undefined;
  for (const name of listIfExists(dir)) {
    const start = /^(\d+)-[0-9a-f]+\./.exec(name)?.[1];
    if (start === undefined) continue;
    if (isAbandoned(name, self)) {
      rmSync(join(dir, name), { force: true });
      continue;
    }
    oldest = Math.min(oldest ?? Infinity, Number(start));
  }
  return oldest;
}
