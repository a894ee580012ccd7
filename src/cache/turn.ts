/**
 * Taking turns between processes: a directory in which whoever wants to work puts a file with its name, and works if there is no other.
 *
 * Of two that come at once each sees at least the other's file or is seen by it, so both may step back but never both go on. The files
 * of processes that died don't count.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import { storeError } from '../core/store-errors.ts';
import { listIfExists } from './files.ts';

export interface TurnOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for others; default: 30,000. */
  readonly patienceMs?: number;
  /** What is being waited for, in the error. */
  readonly purpose: string;
}

const DEFAULT_PATIENCE_MS = 30_000;
const MIN_PAUSE_MS = 5;
const MAX_PAUSE_MS = 50;

/** Waits until no other process has its turn in `dir` (made when missing); disposing ends the turn. Throws `store-busy`, `cancelled`. */
export async function takeTurn(dir: string, options: TurnOptions): Promise<Disposable> {
  const self = currentOwner();
  let patienceMs = options.patienceMs ?? DEFAULT_PATIENCE_MS;
  for (;;) {
    throwIfAborted(options.signal);
    const own = ownedName(randomBytes(8).toString('hex'), self);
    const path = join(dir, own);
    try {
      mkdirSync(dir, { recursive: true });
      writeFileSync(path, '', { flag: 'wx' });
    } catch (error) {
      throw storeError(error, path);
    }
    const others = listIfExists(dir).filter((name) => name !== own);
    for (const name of others) if (isAbandoned(name, self)) rmSync(join(dir, name), { force: true });
    if (others.every((name) => isAbandoned(name, self))) {
      return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
    }
    rmSync(path, { force: true });
    const pauseMs = randomInt(MIN_PAUSE_MS, MAX_PAUSE_MS);
    patienceMs -= pauseMs;
    if (patienceMs < 0) {
      throw new BuildError('store-busy', `Cannot ${options.purpose}: another process has been doing it for too long`, {
        hint: `if none is running, remove "${dir}"`,
      });
    }
    await delay(pauseMs);
  }
}
