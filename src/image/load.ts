/** Bringing an image's manifest and config from the content store into memory. */
import type { ContentStore } from '../content/types.ts';
import type { Digest } from '../core/digest.ts';
import type { Descriptor, ImageConfig, Manifest } from '../oci/types.ts';
import { MediaType } from '../oci/types.ts';
import type { Image } from './types.ts';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseConfig, parseManifest } from '../oci/validate.ts';

/** The image with this manifest. Throws `store-corrupt` if a part is missing, `invalid-manifest` if one makes no sense. */
export async function loadImage(content: ContentStore, target: Descriptor): Promise<Image> {
  const manifest = parseManifest(await content.read(target.digest, MAX_MANIFEST_BYTES), `manifest "${target.digest}"`);
  const configBytes = await content.read(manifest.config.digest, MAX_CONFIG_BYTES);
  return imageOf(target, manifest, configBytes);
}

/** The same, of a manifest of which only the digest is known. */
export async function loadImageByDigest(content: ContentStore, digest: Digest): Promise<Image> {
  const bytes = await content.read(digest, MAX_MANIFEST_BYTES);
  const manifest = parseManifest(bytes, `manifest "${digest}"`);
  const configBytes = await content.read(manifest.config.digest, MAX_CONFIG_BYTES);
  return imageOf(
    { mediaType: manifest.mediaType ?? MediaType.ociManifest, digest, size: bytes.length },
    manifest,
    configBytes,
  );
}

/** Puts an image's parts together after checking that they fit. */
export function imageOf(target: Descriptor, manifest: Manifest, configBytes: Uint8Array): Image {
  const what = `image config "${manifest.config.digest}"`;
  const config: ImageConfig = parseConfig(configBytes, manifest, what);
  return { target, manifest, id: manifest.config.digest, config, configBytes };
}
