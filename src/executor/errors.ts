/** Failures of operations on files, one factory per situation. */
import { BuildError } from '../core/errors.ts';

/** A source that must exist does not. `place` names the tree: `the build context`. */
export function sourceNotFound(
  source: string,
  place: string,
  details: {
    readonly hiddenBy?: string | undefined;
    readonly suggestion?: string | undefined;
    readonly via?: string | undefined;
  } = {},
): BuildError {
  const { hiddenBy, suggestion, via } = details;
  const where = hiddenBy === undefined ? `not found in ${place}` : `excluded from ${place} by ${hiddenBy}`;
  const followed = via === undefined ? '' : ` (it leads to "${via}")`;
  return new BuildError('source-not-found', `Cannot find "${source}"${followed}: ${where}`, {
    ...(suggestion !== undefined && { hint: `did you mean "${suggestion}"?` }),
  });
}

/** A file of the client is not the one any more that its key was made of. */
export function sourceChanged(path: string, place: string): BuildError {
  return new BuildError('source-changed', `Cannot copy "${path}" of ${place}: it changed while it was copied`, {
    hint: 'build again when nothing writes to it, or list it in .dockerignore',
  });
}

export function invalidPattern(source: string): BuildError {
  return new BuildError('invalid-argument', `Cannot read the pattern "${source}": syntax error in pattern`);
}

/** A directory is to go where something else is. */
export function notADirectory(path: string): BuildError {
  return new BuildError('path-conflict', `Cannot copy to non-directory: "${path}" exists and is not a directory`);
}

/** Something else is to go where a directory is. */
export function isADirectory(path: string): BuildError {
  return new BuildError('path-conflict', `Cannot replace directory "${path}" with a file`);
}

export function archiveEscape(archive: string, entry: string): BuildError {
  return new BuildError(
    'path-escape',
    `Cannot unpack "${archive}": its entry "${entry}" is outside of the destination`,
  );
}

export function brokenArchive(archive: string, cause: unknown): BuildError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BuildError('invalid-archive', `Cannot unpack "${archive}": ${reason}`, { cause });
}
