/** Failures of the native file work (the stages of src/runtime-native/c/tree.h) in the user's terms. */
import { archiveLimit, invalidArchive, pathEscape } from '../core/archive-errors.ts';
import { BuildError } from '../core/errors.ts';
import { storeError } from '../core/store-errors.ts';
import { errnoMessage, errnoName } from './errno.ts';
import type { NativeFailure } from './files-wire.ts';

const Stage = {
  protocol: 1,
  root: 2,
  parent: 3,
  conflict: 4,
  create: 5,
  source: 6,
  write: 7,
  metadata: 8,
  linkTarget: 9,
  remove: 10,
  read: 11,
  changed: 12,
  unsupported: 13,
  archive: 14,
  limit: 15,
  escape: 16,
} as const;

/** What to throw for a failure of the writer. */
export function writerError({ stage, errno, detail }: NativeFailure): unknown {
  const path = `/${detail}`;
  const because = errno === 0 ? '' : `: ${errnoMessage(errno)}`;
  switch (stage) {
    case Stage.root:
      return systemError('runtime-failed', `Cannot mount the file system of "${detail}"${because}`, errno, detail);
    case Stage.parent:
      return systemError('path-conflict', `Cannot reach the directory of "${path}"${because}`, errno, path);
    case Stage.conflict:
      return new BuildError(
        'path-conflict',
        `Cannot write "${path}": a directory cannot replace a file, nor a file a directory`,
      );
    case Stage.source:
      // It was there when it was selected.
      return new BuildError(
        errnoName(errno) === 'ENOENT' ? 'source-changed' : 'source-not-found',
        `Cannot read "${detail}"${because === '' ? ': it is no regular file' : because}`,
      );
    case Stage.linkTarget:
      return new BuildError('invalid-archive', `Cannot make a hard link to "${path}"${because}`);
    case Stage.unsupported:
      return new BuildError('invalid-archive', `Cannot make the device "${path}": 0:0 is reserved for deleted entries`);
    case Stage.archive:
      return invalidArchive(detail);
    case Stage.limit:
      return archiveLimit(detail);
    case Stage.escape:
      return pathEscape(detail);
    case Stage.create:
    case Stage.write:
    case Stage.metadata:
    case Stage.remove:
      if (errnoName(errno) === 'ENAMETOOLONG')
        return new BuildError('path-conflict', `Cannot write "${path}"${because}`);
      return systemError('runtime-failed', `Cannot write "${path}"${because}`, errno, path);
    default:
      return new Error(`tsbuild-runtime files failed in stage ${stage}: ${detail}${because}`);
  }
}

/** What to throw for a failure of reading the layer directory `dir`. */
export function layerError({ stage, errno, detail }: NativeFailure, dir: string): unknown {
  const because = errno === 0 ? '' : `: ${errnoMessage(errno)}`;
  switch (stage) {
    case Stage.unsupported:
      if (errno !== 0) return new BuildError('unsupported-feature', `Cannot store "/${detail}" in a layer${because}`);
      return new BuildError(
        'unsupported-feature',
        `Cannot store "/${detail}" in a layer: names with ".wh." in front mark deletions there`,
      );
    case Stage.changed:
      return new BuildError('store-corrupt', `Cannot read the layer "${dir}": "/${detail}" changed meanwhile`);
    case Stage.root:
    case Stage.read:
      return new BuildError('store-corrupt', `Cannot read "${detail}" in the layer "${dir}"${because}`);
    case Stage.remove:
      return systemError('runtime-failed', `Cannot remove "${detail}"${because}`, errno, detail);
    default:
      return new Error(`tsbuild-runtime failed on "${dir}" in stage ${stage}: ${detail}${because}`);
  }
}

/** What the machine is to blame for, whatever was being done. */
const MACHINE = new Set(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS']);

function systemError(code: 'runtime-failed' | 'path-conflict', message: string, errno: number, path: string): unknown {
  const name = errnoName(errno);
  if (!MACHINE.has(name)) return new BuildError(code, message);
  return storeError(Object.assign(new Error(message), { code: name }), path);
}
