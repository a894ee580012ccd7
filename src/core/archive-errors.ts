/** What can be wrong with an archive. */
import { BuildError } from './errors.ts';

export function invalidArchive(reason: string, cause?: unknown): BuildError {
  return new BuildError('invalid-archive', `Cannot read the archive: ${reason}`, cause === undefined ? {} : { cause });
}

export function archiveLimit(what: string): BuildError {
  return new BuildError('limit-exceeded', `Cannot read the archive: ${what}`);
}

export function pathEscape(path: string): BuildError {
  return new BuildError('path-escape', `Cannot unpack "${path}": the path leaves the root`);
}
