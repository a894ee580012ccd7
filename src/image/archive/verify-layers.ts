/** Whether an image's layers are those that its config means: a blob's digest says nothing of what it is uncompressed. */
import { digestStream } from '../../content/fs-store.ts';
import type { ContentStore } from '../../content/types.ts';
import { decompress } from '../../layer/compress.ts';
import { MediaType } from '../../oci/types.ts';
import { otherDiffID } from '../errors.ts';
import type { Image } from '../types.ts';

/** Throws `digest-mismatch` for the first layer that is another one, `invalid-archive` for one that cannot be uncompressed. */
export async function verifyLayers(
  content: ContentStore,
  image: Image,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const [index, { digest, mediaType }] of image.manifest.layers.entries()) {
    const want = image.config.rootfs.diff_ids[index];
    if (want === undefined) throw new Error(`Image "${image.id}" has no diffID ${index}`);
    // Stored under its digest, an uncompressed layer has been checked.
    const isPlain = mediaType === MediaType.ociLayer || mediaType === MediaType.dockerLayer;
    if (isPlain && digest === want) continue;
    const stream = decompress(await content.open(digest));
    const got = await digestStream(stream, signal);
    if (got.digest !== want) throw otherDiffID(digest, want, got.digest);
  }
}
