/** Names and words for the errno values that the native binary reports. */
import { constants } from 'node:os';

const NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'it exists already',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'it is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  EMLINK: 'too many hard links',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'it does not exist',
  ENOMEM: 'out of memory',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'a part of the path is not a directory',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  EXDEV: 'it is on another file system',
};

/** `ENOENT` for 2; `errno 999` for what Node does not know. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** What the errno means, in words where there are some. */
export function errnoMessage(errno: number): string {
  const name = errnoName(errno);
  return WORDS[name] ?? name;
}
