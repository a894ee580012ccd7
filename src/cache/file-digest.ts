/** Digests of files on the host, small ones by one read and large ones piece by piece. */
import { closeSync, constants, fstatSync, open, read } from 'node:fs';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import type { Digest } from '../core/digest.ts';
import { digestOf, digestOfHash } from '../core/digest.ts';
import { throwIfAborted } from '../core/errors.ts';
import { fsPath } from '../core/path-bytes.ts';

/**
 * Descriptors without the `FileHandle` objects of fs/promises, which cost more than reading a small file. What may wait for a disk goes to
 * the thread pool; `fstat` and `close` do not wait, and the way there would cost more than they do.
 */
const openFile = promisify(open);
const readFrom = promisify(read);

const SMALL_BYTES = 256 * 1024;
const PIECE_BYTES = 1024 * 1024;

export interface FileDigest {
  readonly digest: Digest;
  /** Of the file that was read. */
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Whether `fstat` said the same before and after reading. */
  readonly stable: boolean;
}

/** Reads the file at a host path (in the form of core/path-bytes.ts); undefined if it is no regular file. Rejects with system errors. */
export async function digestFile(path: string, signal: AbortSignal | undefined): Promise<FileDigest | undefined> {
  // What was a file may be a link or a pipe by now: the one must not be followed, the other must not be waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = await openFile(fsPath(path), flags);
  try {
    const before = fstatSync(fd, { bigint: true });
    if (!before.isFile()) return undefined;
    const size = Number(before.size);
    const { digest, sizeBytes } = size <= SMALL_BYTES ? await digestSmall(fd, size) : await digestLarge(fd, signal);
    const after = sizeBytes === size ? fstatSync(fd, { bigint: true }) : undefined;
    const stable = after?.size === before.size && after.mtimeNs === before.mtimeNs && after.ctimeNs === before.ctimeNs;
    return { digest, sizeBytes, mtimeNs: before.mtimeNs, ctimeNs: before.ctimeNs, stable };
  } finally {
    closeSync(fd);
  }
}

interface Content {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

async function digestSmall(fd: number, size: number): Promise<Content> {
  // One byte more shows whether the file has grown.
  const buffer = Buffer.allocUnsafe(size + 1);
  const { bytesRead } = await readFrom(fd, buffer, 0, buffer.length, 0);
  if (bytesRead === size) return { digest: digestOf(buffer.subarray(0, size)), sizeBytes: size };
  return await digestLarge(fd, undefined);
}

async function digestLarge(fd: number, signal: AbortSignal | undefined): Promise<Content> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  let position = 0;
  for (;;) {
    throwIfAborted(signal);
    const { bytesRead } = await readFrom(fd, buffer, 0, buffer.length, position);
    if (bytesRead === 0) return { digest: digestOfHash(hash), sizeBytes: position };
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
