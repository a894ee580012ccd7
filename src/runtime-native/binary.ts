/** Where the native binary is. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError, errnoOf } from '../core/errors.ts';

const BELOW_PACKAGE = 'src/runtime-native/c/build/tsbuild-runtime';

/**
 * The absolute path of the binary that belongs to the module at `moduleUrl`, which may be a source file or a bundle: both are below the
 * package's directory. Throws `runtime-unavailable` when it has not been built.
 */
export function findRuntimeBinary(moduleUrl: string = import.meta.url): string {
  const start = dirname(fileURLToPath(moduleUrl));
  for (let directory = start; ; directory = dirname(directory)) {
    if (isPackage(directory)) return checkExecutable(join(directory, BELOW_PACKAGE));
    if (directory === dirname(directory)) throw new Error(`no package directory of tsbuild above ${start}`);
  }
}

function isPackage(directory: string): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    return typeof manifest === 'object' && manifest !== null && 'name' in manifest && manifest.name === 'tsbuild';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

function checkExecutable(path: string): string {
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch (error) {
    throw new BuildError('runtime-unavailable', `Cannot run the native runtime "${path}": it has not been built`, {
      hint: 'build it with "npm run native"; it needs gcc and make',
      cause: error,
    });
  }
}
