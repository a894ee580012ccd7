/** Making and measuring directories. */
import type { BigIntStats } from 'node:fs';
import { lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';
import { decodeLatin1Path, fsPath } from './path-bytes.ts';

/** The unit of `st_blocks`, whatever the file system's own is. */
const STAT_BLOCK_BYTES = 512;

/**
 * `mkdir -p`: makes `path` and what is missing above it, those with the default mode. Throws system errors.
 *
 * Node's own recursive mkdir never ends where a file system answers ENOENT although the parent is there, as /proc does.
 */
export async function makeDirectories(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await mkdir(path, mode).catch(async (again: unknown) => {
      // Another process may have been quicker.
      if (errnoOf(again) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again;
    });
  }
}

/**
 * The bytes on disk that `path` and all below it take, as `du` counts: allocated blocks, directories included, a file with several names once.
 * Links are not followed; what is missing, or goes meanwhile, takes nothing. Throws other system errors.
 */
export async function diskBytes(path: string): Promise<number> {
  return measure(path, new Set());
}

async function measure(path: string, seen: Set<string>): Promise<number> {
  const stats = await unlessMissing(lstat(fsPath(path), { bigint: true }));
  if (stats === undefined || !isFirst(stats, seen)) return 0;
  let bytes = Number(stats.blocks) * STAT_BLOCK_BYTES;
  if (!stats.isDirectory()) return bytes;
  for (const name of (await unlessMissing(readdir(fsPath(path), 'latin1'))) ?? [])
    bytes += await measure(`${path}/${decodeLatin1Path(name)}`, seen);
  return bytes;
}

function isFirst(stats: BigIntStats, seen: Set<string>): boolean {
  if (stats.isDirectory() || stats.nlink === 1n) return true;
  const id = `${stats.dev}:${stats.ino}`;
  if (seen.has(id)) return false;
  seen.add(id);
  return true;
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
