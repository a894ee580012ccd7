/** Commands that take several names: one that fails does not keep the others from being done. */
import { BuildError, ExitStatus, formatError, throwIfAborted } from '../core/errors.ts';
import type { CliDeps } from './types.ts';

/**
 * Calls `work` for each name in order. Errors for the user are printed; the status is that of the first, unless `isHarmless` says that it
 * is only to be mentioned.
 */
export async function forEachName(
  names: readonly string[],
  deps: CliDeps,
  work: (name: string) => Promise<void>,
  isHarmless: (error: BuildError) => boolean = () => false,
): Promise<number> {
  let status: number = ExitStatus.ok;
  for (const name of names) {
    throwIfAborted(deps.signal);
    try {
      await work(name);
    } catch (error) {
      if (!(error instanceof BuildError) || error.code === 'cancelled') throw error;
      deps.stderr.write(`ERROR: ${formatError(error)}\n`);
      if (status === ExitStatus.ok && !isHarmless(error)) status = error.exitStatus;
    }
  }
  return status;
}
