/** Where the store is. */
import { readFileSync } from 'node:fs';
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

/**
 * Who runs tsbuild: `uid`, or the user outside where that is root of a namespace that tsbuild made for the user. A variable that came
 * from somewhere else says nothing: the user must be the namespace's root.
 */
export function outerUid(uid: number, env: Environment, readMap: () => string = readUidMap): number {
  const outer = env['TSBUILD_ROOTLESS_UID'];
  if (uid !== 0 || outer === undefined || !/^\d+$/.test(outer)) return uid;
  const [, first, mapped] = /^\s*(\d+)\s+(\d+)\s/.exec(readMap()) ?? [];
  return first === '0' && mapped === outer ? Number(outer) : uid;
}

function readUidMap(): string {
  return readFileSync('/proc/self/uid_map', 'latin1');
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
