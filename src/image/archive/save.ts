/**
 * Images as one archive that both kinds of reader understand: an OCI image layout (image-spec/image-layout.md) with the `manifest.json` of
 * `docker save` beside it, as Docker writes it since version 25. The same images give the same bytes.
 */
import type { ContentStore } from '../../content/types.ts';
import { hexOf } from '../../core/digest.ts';
import type { Digest } from '../../core/digest.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { compareBytes } from '../../core/paths.ts';
import type { Reference } from '../../oci/reference.ts';
import { familiarReference, formatReference } from '../../oci/reference.ts';
import type { Descriptor } from '../../oci/types.ts';
import { MediaType } from '../../oci/types.ts';
import { MAX_MANIFEST_BYTES } from '../../oci/validate.ts';
import type { LayerReader } from '../layers.ts';
import type { Image } from '../types.ts';
import { CONTAINERD_NAME, REF_NAME } from './annotations.ts';
import type { TarFile } from './tar-writer.ts';
import { tarOf } from './tar-writer.ts';

export interface SavedImage {
  readonly image: Image;
  /** None for an image that was asked for by its ID. */
  readonly names: readonly Reference[];
}

export interface SaveDeps {
  readonly content: ContentStore;
  readonly layers: LayerReader;
}

/** The archive's bytes. Throws `store-corrupt` if something of an image is missing, when it comes to it. */
export function saveImages(
  deps: SaveDeps,
  images: readonly SavedImage[],
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return tarOf(filesOf(deps, merged(images), options.signal));
}

async function* filesOf(
  deps: SaveDeps,
  images: readonly SavedImage[],
  signal: AbortSignal | undefined,
): AsyncGenerator<TarFile, void, undefined> {
  yield whole('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  yield whole('index.json', JSON.stringify(indexOf(images)));
  yield whole('manifest.json', JSON.stringify(images.map(dockerItemOf)));
  const written = new Set<Digest>();
  const isNew = (digest: Digest): boolean => !written.has(digest) && written.add(digest) !== undefined;
  for (const { image } of images) {
    throwIfAborted(signal);
    const { target, id } = image;
    if (isNew(target.digest))
      yield whole(blobPath(target.digest), await deps.content.read(target.digest, MAX_MANIFEST_BYTES));
    if (isNew(id)) yield whole(blobPath(id), image.configBytes);
    for (const [index, { digest, size }] of image.manifest.layers.entries()) {
      if (!isNew(digest)) continue;
      const chunks = await deps.layers.open(image, index, signal);
      yield { path: blobPath(digest), sizeBytes: size, chunks };
    }
  }
}

/** One entry an image, however often and under whatever names it was asked for. */
function merged(images: readonly SavedImage[]): SavedImage[] {
  const byTarget = new Map<Digest, { image: Image; names: Map<string, Reference> }>();
  for (const { image, names } of images) {
    const entry = byTarget.get(image.target.digest) ?? { image, names: new Map<string, Reference>() };
    byTarget.set(image.target.digest, entry);
    for (const name of names) entry.names.set(formatReference(name), name);
  }
  return [...byTarget.values()].map(({ image, names }) => ({
    image,
    names: [...names.entries()].sort(([a], [b]) => compareBytes(a, b)).map(([, name]) => name),
  }));
}

function indexOf(images: readonly SavedImage[]): object {
  return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: images.flatMap(indexEntriesOf) };
}

/** One entry a name, as containerd has it. */
function indexEntriesOf({ image, names }: SavedImage): Descriptor[] {
  const { mediaType, digest, size } = image.target;
  const { os, architecture, variant } = image.config;
  const platform = { architecture, os, ...(variant !== undefined && { variant }) };
  if (names.length === 0) return [{ mediaType, digest, size, platform }];
  return names.map((name) => ({
    mediaType,
    digest,
    size,
    annotations: { [CONTAINERD_NAME]: formatReference(name), ...(name.tag !== undefined && { [REF_NAME]: name.tag }) },
    platform,
  }));
}

/** An element of `manifest.json`. */
function dockerItemOf({ image, names }: SavedImage): object {
  const tags = names.filter((name) => name.tag !== undefined && name.digest === undefined);
  return {
    Config: blobPath(image.id),
    RepoTags: tags.length === 0 ? null : tags.map(familiarReference),
    Layers: image.manifest.layers.map((layer) => blobPath(layer.digest)),
  };
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

function whole(path: string, content: string | Uint8Array): TarFile {
  const bytes = Buffer.from(content);
  return { path, sizeBytes: bytes.length, chunks: [bytes] };
}
