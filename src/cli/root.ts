/** Where the store is. */
import { isAbsolute, join, resolve } from 'node:path';
import { BuildError } from '../core/errors.ts';
import type { Environment } from './types.ts';

const SYSTEM_ROOT = '/var/lib/tsbuild';

/**
 * The absolute store directory: `--root`, then `TSBUILD_ROOT`, then the system's for root and the user's data directory
 * (basedir-spec) for others. Throws `usage` when there is no home directory to fall back on.
 */
export function storeRoot(flag: string | undefined, env: Environment, cwd: string, uid: number): string {
  const chosen = flag ?? nonEmpty(env['TSBUILD_ROOT']);
  if (chosen === '') throw new BuildError('usage', 'Flag "--root" needs a directory');
  if (chosen !== undefined) return resolve(cwd, chosen);
  if (uid === 0) return SYSTEM_ROOT;
  const data = nonEmpty(env['XDG_DATA_HOME']);
  // A relative path there is invalid and to be ignored.
  if (data !== undefined && isAbsolute(data)) return join(data, 'tsbuild');
  const home = nonEmpty(env['HOME']);
  if (home === undefined) {
    throw new BuildError('usage', 'Cannot choose a store directory: HOME is not set', {
      hint: 'give one with --root or TSBUILD_ROOT',
    });
  }
  return resolve(cwd, home, '.local/share/tsbuild');
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
