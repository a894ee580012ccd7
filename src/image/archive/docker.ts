/** `manifest.json`, the table of contents of `docker save`: for each image a config, names and layers, all by path. */
import type { StoredBlob } from '../../content/types.ts';
import { digestOf } from '../../core/digest.ts';
import type { Digest } from '../../core/digest.ts';
import { BuildError } from '../../core/errors.ts';
import { detectCompression, MAGIC_BYTES } from '../../layer/compress.ts';
import type { Compression } from '../../layer/compress.ts';
import type { Field } from '../../oci/json-check.ts';
import { listOf, optional, required, stringOf } from '../../oci/json-check.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Descriptor } from '../../oci/types.ts';
import { MediaType } from '../../oci/types.ts';
import { MAX_CONFIG_BYTES, MAX_LAYERS, parseManifest } from '../../oci/validate.ts';
import { encodeManifest } from '../encode.ts';
import { badArchive } from '../errors.ts';
import { imageOf } from '../load.ts';
import type { LoadedImage } from './load.ts';
import { archiveName } from './names.ts';
import type { ArchiveSource } from './source.ts';
import type { Staging } from './staging.ts';

/** An element of `manifest.json`. */
export interface DockerItem {
  readonly config: string;
  readonly names: readonly Reference[];
  /** Lowest first. */
  readonly layers: readonly string[];
}

const MAX_ITEMS = 1000;
const MAX_NAMES = 10_000;

/** The elements of `manifest.json`, or undefined if the archive has none. */
export async function readDockerItems(source: ArchiveSource): Promise<DockerItem[] | undefined> {
  const bytes = await source.document('manifest.json');
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw badArchive('its "manifest.json" is not JSON', error);
  }
  return listOf({ value, path: 'manifest.json' }, MAX_ITEMS, itemOf);
}

/** Images with a manifest made for them: an archive of this kind has none. */
export async function readDockerImages(source: ArchiveSource, staging: Staging): Promise<LoadedImage[]> {
  const items = await readDockerItems(source);
  if (items === undefined) {
    throw new BuildError('invalid-archive', 'Cannot load the archive: it has no "manifest.json" and no "index.json"', {
      hint: 'To make an image from the files of a root file system, use "tsbuild import"',
    });
  }
  const loaded: LoadedImage[] = [];
  for (const item of items) loaded.push(await readItem(item, source, staging));
  return loaded;
}

async function readItem(item: DockerItem, source: ArchiveSource, staging: Staging): Promise<LoadedImage> {
  const stored = await blobAt(source, item.config);
  const configBytes = await staging.content.read(stored.digest, MAX_CONFIG_BYTES);
  checkConfigName(item.config, stored.digest);
  const layers: Descriptor[] = [];
  for (const path of item.layers) {
    const { digest, sizeBytes } = await blobAt(source, path);
    layers.push({ mediaType: await layerType(staging, digest, path), digest, size: sizeBytes });
  }
  const config: Descriptor = { mediaType: MediaType.ociConfig, digest: stored.digest, size: stored.sizeBytes };
  const manifestBytes = encodeManifest(config, layers);
  const manifest = parseManifest(manifestBytes);
  const target: Descriptor = {
    mediaType: MediaType.ociManifest,
    digest: digestOf(manifestBytes),
    size: manifestBytes.length,
  };
  // Before the manifest is stored: what makes no sense has none.
  const image = imageOf(target, manifest, configBytes);
  await staging.put(manifestBytes);
  return { image, names: item.names };
}

function itemOf(field: Field): DockerItem {
  const tags = optional(field, 'RepoTags');
  const layers = optional(field, 'Layers');
  return {
    config: stringOf(required(field, 'Config'), 4096),
    names: tags === undefined ? [] : listOf(tags, MAX_NAMES, (item) => archiveName(stringOf(item, 4096))),
    layers: layers === undefined ? [] : listOf(layers, MAX_LAYERS, (item) => stringOf(item, 4096)),
  };
}

async function blobAt(source: ArchiveSource, path: string): Promise<StoredBlob> {
  const blob = await source.blob(path);
  if (blob === undefined) throw badArchive(`it has no file "${path.slice(0, 200)}"`);
  return blob;
}

/** A config is called by its digest, in one way or another; one that isn't what its name says has been tampered with. */
function checkConfigName(path: string, digest: Digest): void {
  const hex = /([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (hex === undefined || digest === `sha256:${hex}`) return;
  throw new BuildError('digest-mismatch', `Content of "${path}" in the archive has another digest: "${digest}"`);
}

const LAYER_TYPES: Readonly<Record<Compression, string | undefined>> = {
  none: MediaType.ociLayer,
  gzip: MediaType.ociLayerGzip,
  zstd: MediaType.ociLayerZstd,
  bzip2: undefined,
  xz: undefined,
};

async function layerType(staging: Staging, digest: Digest, path: string): Promise<string> {
  const stream = await staging.content.open(digest);
  const head: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    head.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= MAGIC_BYTES) break;
  }
  const compression = detectCompression(Buffer.concat(head));
  const mediaType = LAYER_TYPES[compression];
  if (mediaType === undefined)
    throw badArchive(`its layer "${path}" is compressed with ${compression}, which layers are not`);
  return mediaType;
}
