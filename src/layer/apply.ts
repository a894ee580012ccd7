/**
 * Unpacking a layer's tar into an empty layer directory in overlay form (image-spec/layer.md#applying-changesets). The archive is read and
 * the entries are made by src/runtime-native/c/unpack.c.
 */
import { throwIfAborted } from '../core/errors.ts';
import type { LayerSource, NativeFiles, UnpackedLayer } from '../runtime-native/tree-types.ts';
import type { TarLimits } from './reader.ts';
import { DEFAULT_TAR_LIMITS } from './reader.ts';

export interface ApplyOptions {
  /** Layer directories below the layer, lowest first. Without any, parents that the tar leaves out are made 0755 and owned by root. */
  readonly lower?: readonly string[];
  readonly signal?: AbortSignal;
  readonly limits?: TarLimits;
}

export type AppliedLayer = UnpackedLayer;

/** Fills `upper`; what is there after a failure is for the caller to remove. Throws `invalid-archive`, `path-escape` or `limit-exceeded`. */
export async function applyLayer(
  files: NativeFiles,
  tar: LayerSource,
  upper: string,
  { lower = [], signal, limits = DEFAULT_TAR_LIMITS }: ApplyOptions = {},
): Promise<AppliedLayer> {
  throwIfAborted(signal);
  return files.unpackLayer(tar, upper, { lower, limits, ...(signal && { signal }) });
}
