/** Making directories. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';

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
