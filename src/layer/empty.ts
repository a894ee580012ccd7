/** A layer without entries, as of a step that changed nothing: known without a process that looks at it. */
import { opendirSync } from 'node:fs';
import { asDiffID, parseDigest } from '../core/digest.ts';
import type { LayerIdentity, ScannedLayer } from '../runtime-native/tree-types.ts';

/** What the native scan finds; see src/runtime-native/c/files_scan.c. */
export const EMPTY_SCAN: ScannedLayer = {
  opaqueDirs: [],
  xattrs: new Map(),
  wanted: new Map(),
  fingerprint: '0-cbf29ce484222325',
};

/** The end of an archive: two blocks of zeros. */
export const EMPTY_TAR: LayerIdentity = {
  diffID: asDiffID(parseDigest('sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef')),
  sizeBytes: 1024,
};

/** Throws system errors. */
export function isEmptyDirectory(path: string): boolean {
  const directory = opendirSync(path, { bufferSize: 1 });
  try {
    return directory.readSync() === null;
  } finally {
    directory.closeSync();
  }
}
