/** Writing an archive where the user wants it. */
import { open, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BuildError, errnoOf, throwIfAborted } from '../../core/errors.ts';

/**
 * Writes `chunks` to the file `path`, which is there whole afterwards or as it was before. What is no file, such as a pipe, is written
 * to directly. Throws `usage` when the place cannot be written to.
 */
export async function writeArchive(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  if (!(await canBeReplaced(path))) {
    await using handle = await openForWriting(path, path, 'w');
    await writeAll(handle, path, chunks, options.signal);
    return;
  }
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    {
      await using handle = await openForWriting(temporary, path, 'w');
      await writeAll(handle, path, chunks, options.signal);
      await handle.sync();
    }
    throwIfAborted(options.signal);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function canBeReplaced(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw cannotWrite(path, error);
  }
}

async function openForWriting(path: string, shown: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw cannotWrite(shown, error);
  }
}

async function writeAll(
  handle: FileHandle,
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const chunk of chunks) {
    throwIfAborted(signal);
    try {
      for (let offset = 0; offset < chunk.length;) offset += (await handle.write(chunk, offset)).bytesWritten;
    } catch (error) {
      throw cannotWrite(path, error);
    }
  }
}

function cannotWrite(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  const reason = errno === undefined ? undefined : REASONS[errno];
  return reason === undefined ? error : new BuildError('usage', `Cannot write "${path}": ${reason}`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'a part of its path is not a directory',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left',
  EDQUOT: 'disk quota exceeded',
};
