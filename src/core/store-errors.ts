/** System errors of the store in the user's terms. */
import { BuildError, errnoOf } from './errors.ts';

/**
 * What to throw for `error`, met while working on `path` in the store: `store-full` or `store-unwritable` where the machine is at fault,
 * else `error` itself.
 */
export function storeError(error: unknown, path: string): unknown {
  switch (errnoOf(error)) {
    case 'ENOSPC':
      return new BuildError('store-full', `Cannot write "${path}": no space left on the device`, {
        hint: 'free some space or remove what is no longer used from the store',
        cause: error,
      });
    case 'EDQUOT':
      return new BuildError('store-full', `Cannot write "${path}": disk quota exceeded`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new BuildError('store-unwritable', `Cannot write "${path}": permission denied`, { cause: error });
    case 'EROFS':
      return new BuildError('store-unwritable', `Cannot write "${path}": the file system is read-only`, {
        cause: error,
      });
    case 'EEXIST':
    case 'ENOTDIR':
      return new BuildError('store-unwritable', `Cannot write "${path}": there is a file where a directory is needed`, {
        cause: error,
      });
    default:
      return error;
  }
}
