/** A layer's tar: as a stream, and its identity. The format is that of src/runtime-native/c/pack.h. */
import type { Readable } from 'node:stream';
import type { LayerIdentity, NativeFiles } from '../runtime-native/tree-types.ts';

/** The canonical tar of the layer directory `dir`. The caller reads it to its end or destroys it. */
export function packLayer(files: NativeFiles, dir: string, signal?: AbortSignal): Readable {
  return files.packLayer(dir, signal === undefined ? {} : { signal });
}

/** The digest and the size of the canonical tar of `dir`. */
export function digestLayer(files: NativeFiles, dir: string, signal?: AbortSignal): Promise<LayerIdentity> {
  return files.digestLayer(dir, signal === undefined ? {} : { signal });
}
