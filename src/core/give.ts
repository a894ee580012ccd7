/** Owners of files that tsbuild makes. */
import { chownSync } from 'node:fs';
import { errnoOf } from './errors.ts';

/**
 * Gives the file at `path` to `uid:gid`. Without root there may be no such id (chown(2): EINVAL); the file then stays the
 * user's, which is who everything in the containers belongs to.
 */
export function giveTo(path: string, uid: number, gid: number): void {
  try {
    chownSync(path, uid, gid);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
  }
}
