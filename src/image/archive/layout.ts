/** Images in an OCI image layout (image-spec/image-layout.md): `index.json`, and blobs by digest. */
import { digestOf } from '../../core/digest.ts';
import type { Digest } from '../../core/digest.ts';
import { BuildError } from '../../core/errors.ts';
import type { Platform } from '../../core/platform.ts';
import { formatPlatform, platformRank } from '../../core/platform.ts';
import { parseJsonObject, required } from '../../oci/json-check.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Descriptor, Index, Manifest } from '../../oci/types.ts';
import { MediaType } from '../../oci/types.ts';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseDocument, parseIndex } from '../../oci/validate.ts';
import { badArchive } from '../errors.ts';
import { imageOf } from '../load.ts';
import type { Image } from '../types.ts';
import { REF_NAME } from './annotations.ts';
import { readDockerItems } from './docker.ts';
import type { LoadedImage } from './load.ts';
import { annotatedName } from './names.ts';
import type { ArchiveSource } from './source.ts';
import { blobPath } from './source.ts';
import type { Staging } from './staging.ts';

const MAX_DEPTH = 3;

/**
 * The images that `index.json` names, of an index with several the one for `platform`. Names come from annotations and, where Docker wrote
 * the layout, from the `manifest.json` beside it.
 */
export async function readLayoutImages(
  source: ArchiveSource,
  staging: Staging,
  platform: Platform,
): Promise<LoadedImage[]> {
  await checkVersion(source);
  const bytes = await source.document('index.json');
  if (bytes === undefined) throw badArchive('it is an OCI image layout without an "index.json"');
  const reader = new LayoutReader(source, staging, platform);
  const loaded: LoadedImage[] = [];
  for (const entry of parseIndex(bytes, 'index.json').manifests) {
    const image = await reader.image(entry, 0);
    if (image === undefined) continue;
    const name = annotatedName(entry);
    loaded.push({ image, names: name === undefined ? [] : [name] });
  }
  if (loaded.length === 0 && reader.offered.length > 0) throw reader.noPlatform();
  const names = await dockerNames(source);
  return loaded.map(({ image, names: own }) => ({ image, names: [...own, ...(names.get(image.id) ?? [])] }));
}

/** Which of a layout's images; without tag and digest `latest`, or the only one. */
export interface LayoutChoice {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** One image of the layout, of an index with several the one for `platform`. Throws `image-not-found` and `platform-not-found`. */
export async function readLayoutImage(
  source: ArchiveSource,
  staging: Staging,
  platform: Platform,
  choice: LayoutChoice,
): Promise<Image> {
  await checkVersion(source);
  const bytes = await source.document('index.json');
  if (bytes === undefined) throw badArchive('it is an OCI image layout without an "index.json"');
  const digest = choice.digest ?? chosenEntry(parseIndex(bytes, 'index.json').manifests, choice.tag).digest;
  const reader = new LayoutReader(source, staging, platform);
  const image = await reader.image({ digest }, 0);
  if (image !== undefined) return image;
  throw reader.offered.length > 0 ? reader.noPlatform() : noImage(`"${digest}" is no image`);
}

function chosenEntry(entries: readonly Descriptor[], tag: string | undefined): Descriptor {
  const named = entries.find(
    (entry) => entry.annotations?.[REF_NAME] === (tag ?? 'latest') || annotatedName(entry)?.tag === (tag ?? 'latest'),
  );
  const [only, ...others] = entries;
  const found = named ?? (tag === undefined && others.length === 0 ? only : undefined);
  if (found !== undefined) return found;
  const tags = entries.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
  throw noImage(
    `no image in it has the tag "${tag ?? 'latest'}"`,
    tags.length === 0
      ? 'name it by digest: oci-layout://PATH@sha256:…'
      : `it has the tags: ${tags.map((name) => `"${name}"`).join(', ')}`,
  );
}

function noImage(why: string, hint?: string): BuildError {
  return new BuildError(
    'image-not-found',
    `Cannot use the OCI image layout: ${why}`,
    hint === undefined ? {} : { hint },
  );
}

async function checkVersion(source: ArchiveSource): Promise<void> {
  const bytes = await source.document('oci-layout');
  const version = required(parseJsonObject(bytes ?? Buffer.of(), 'oci-layout'), 'imageLayoutVersion').value;
  if (typeof version !== 'string' || !version.startsWith('1.')) {
    throw badArchive(
      `it is an OCI image layout of version ${JSON.stringify(version)?.slice(0, 40)}, only "1.0.0" is known`,
    );
  }
}

/** By image ID. */
async function dockerNames(source: ArchiveSource): Promise<Map<string, readonly Reference[]>> {
  const names = new Map<string, readonly Reference[]>();
  for (const item of (await readDockerItems(source)) ?? []) {
    const config = await source.blob(item.config);
    if (config !== undefined) names.set(config.digest, item.names);
  }
  return names;
}

class LayoutReader {
  /** The platforms of images that were passed over. */
  readonly offered: string[] = [];
  readonly #source: ArchiveSource;
  readonly #staging: Staging;
  readonly #platform: Platform;

  constructor(source: ArchiveSource, staging: Staging, platform: Platform) {
    this.#source = source;
    this.#staging = staging;
    this.#platform = platform;
  }

  /** Undefined for what is no image, such as an attestation, or has none for the platform. */
  async image(entry: Pick<Descriptor, 'digest'>, depth: number): Promise<Image | undefined> {
    const bytes = await this.#document(entry.digest);
    if (bytes === undefined) throw missing(entry.digest);
    const document = parseDocument(bytes, `manifest "${entry.digest}"`);
    if (document.kind === 'manifest') return this.#manifest(entry.digest, bytes, document.manifest);
    if (depth >= MAX_DEPTH) throw badArchive('its indexes are nested too deeply');
    for (const candidate of this.#byRank(document.index)) {
      // An archive may hold only some of the images that an index names.
      if (await this.#source.blob(blobPath(candidate.digest))) return this.image(candidate, depth + 1);
    }
    return undefined;
  }

  noPlatform(): BuildError {
    return new BuildError(
      'platform-not-found',
      `Cannot load the archive: it has no image for platform "${formatPlatform(this.#platform)}"`,
      {
        hint: `It has images for: ${[...new Set(this.offered)].map((name) => `"${name}"`).join(', ')}`,
      },
    );
  }

  #byRank(index: Index): Descriptor[] {
    const ranked = index.manifests.map((entry) => ({
      entry,
      rank: entry.platform === undefined ? 0 : platformRank(this.#platform, entry.platform),
    }));
    for (const { platform } of index.manifests)
      if (platform && platform.os !== 'unknown') this.offered.push(formatPlatform(platform));
    // Stable: of equals the first.
    return ranked
      .filter(({ rank }) => rank > 0)
      .sort((a, b) => b.rank - a.rank)
      .map(({ entry }) => entry);
  }

  async #manifest(digest: Digest, bytes: Buffer, manifest: Manifest): Promise<Image> {
    const { config, layers } = manifest;
    for (const { digest: blob, size } of [config, ...layers]) {
      const stored = await this.#source.blob(blobPath(blob));
      if (stored === undefined) throw missing(blob);
      if (stored.sizeBytes !== size) {
        throw new BuildError(
          'size-mismatch',
          `Blob "${blob}" in the archive has ${stored.sizeBytes} bytes instead of ${size}`,
        );
      }
    }
    const configBytes = await this.#staging.content.read(config.digest, MAX_CONFIG_BYTES);
    const target: Descriptor = { mediaType: manifest.mediaType ?? MediaType.ociManifest, digest, size: bytes.length };
    return imageOf(target, manifest, configBytes);
  }

  async #document(digest: Digest): Promise<Buffer | undefined> {
    const blob = await this.#source.blob(blobPath(digest));
    if (blob === undefined) return undefined;
    const bytes = await this.#staging.content.read(blob.digest, MAX_MANIFEST_BYTES);
    if (digestOf(bytes) !== digest) throw missing(digest);
    return bytes;
  }
}

function missing(digest: Digest): BuildError {
  return badArchive(`it has no blob "${digest}"`);
}
