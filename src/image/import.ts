/** An image of one layer from the files of a root file system. */
import { abortable } from '../content/abortable.ts';
import { applyLayer } from '../layer/apply.ts';
import { decompress } from '../layer/compress.ts';
import type { ImageConfig } from '../oci/types.ts';
import type { AssembleDeps } from './assemble.ts';
import { assembleImage } from './assemble.ts';
import type { Image } from './types.ts';

export interface ImportOptions {
  /** What the image says about itself, complete. */
  readonly config: Omit<ImageConfig, 'rootfs' | 'history' | 'created'>;
  /** The comment of its only line of history; Docker writes `Imported from -`. */
  readonly comment: string;
  readonly signal?: AbortSignal;
}

/**
 * Unpacks a tar, plain or compressed, and makes an image of it, without a name. The layer is packed again in canonical form, so the
 * image depends on the files alone. Throws `invalid-archive`, `path-escape` or `limit-exceeded`, and then keeps nothing.
 */
export async function importImage(
  deps: AssembleDeps,
  tar: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<Image> {
  const { config, comment, signal } = options;
  await using active = await deps.snapshots.prepare();
  await applyLayer(deps.files, decompress(abortable(tar, signal)), active.upper, {
    ...(signal && { signal }),
  });
  const { id } = await active.commit();
  return assembleImage(deps, {
    layers: [id],
    config,
    history: [{ createdBy: '', comment, emptyLayer: false }],
    ...(signal && { signal }),
  });
}
