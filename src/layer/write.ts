/** A layer's tar: as a stream, and its identity. The format is that of src/runtime-native/c/pack.h. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { DiffID } from '../core/digest.ts';
import { asDiffID, digestOfHash } from '../core/digest.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';

/** What identifies a layer, as a snapshot store remembers it. */
export interface PackedLayer {
  readonly diffID: DiffID;
  /** Of the uncompressed tar, in bytes. */
  readonly sizeBytes: number;
}

/** The canonical tar of the layer directory `dir`. The caller reads it to its end or destroys it. */
export function packLayer(files: NativeFiles, dir: string, signal?: AbortSignal): Readable {
  return files.packLayer(dir, signal === undefined ? {} : { signal });
}

/** The digest and the size of the canonical tar of `dir`. */
export async function digestLayer(files: NativeFiles, dir: string, signal?: AbortSignal): Promise<PackedLayer> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of packLayer(files, dir, signal) as AsyncIterable<Buffer>) {
    throwIfAborted(signal);
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { diffID: asDiffID(digestOfHash(hash)), sizeBytes };
}
