/**
 * Loading images: archives of `docker save` (with and without an OCI layout in them), OCI archives and OCI layout directories.
 *
 * Everything is checked before anything is named: the digests of all blobs, and that the layers are those that the config means. After a
 * failure the store is as before.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { abortable } from '../../content/abortable.ts';
import type { ContentStore } from '../../content/types.ts';
import { BuildError, errnoOf } from '../../core/errors.ts';
import type { Platform } from '../../core/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import { badArchive } from '../errors.ts';
import type { Image, ImageStore } from '../types.ts';
import { readDockerImages } from './docker.ts';
import { readLayoutImages } from './layout.ts';
import { distinct } from './names.ts';
import type { ArchiveSource } from './source.ts';
import { openLayout, readArchive } from './source.ts';
import { Staging } from './staging.ts';
import { verifyLayers } from './verify-layers.ts';

export interface LoadDeps {
  readonly content: ContentStore;
  readonly images: ImageStore;
}

export type LoadInput =
  /** An archive, or the directory of an OCI layout. */
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array> };

export interface LoadOptions {
  /** Which image of an index of several to take. */
  readonly platform: Platform;
  readonly signal?: AbortSignal;
}

export interface LoadedImage {
  readonly image: Image;
  /** None for an image without a name. */
  readonly names: readonly Reference[];
}

/**
 * Brings the images of an archive into the store and gives them their names, last of all. Throws `invalid-archive`, `invalid-manifest`,
 * `digest-mismatch`, `platform-not-found` or `limit-exceeded`.
 */
export async function loadImages(deps: LoadDeps, input: LoadInput, options: LoadOptions): Promise<LoadedImage[]> {
  await using staging = await Staging.open(deps.content, options.signal);
  const source = await openSource(input, staging, options.signal);
  const loaded = await readImages(source, staging, options.platform);
  for (const { image } of loaded) await verifyLayers(deps.content, image, options.signal);
  staging.keep(
    loaded.flatMap(({ image }) => [
      image.target.digest,
      image.id,
      ...image.manifest.layers.map((layer) => layer.digest),
    ]),
  );
  for (const { image, names } of loaded) {
    if (names.length === 0) await deps.images.addUnnamed(image.target);
    for (const name of names) await deps.images.setName(name, image.target);
  }
  return loaded;
}

async function openSource(input: LoadInput, staging: Staging, signal: AbortSignal | undefined): Promise<ArchiveSource> {
  switch (input.kind) {
    case 'stream':
      return readArchive(abortable(input.stream, signal), staging);
    case 'path':
      return openPath(input.path, staging, signal);
  }
}

async function openPath(path: string, staging: Staging, signal: AbortSignal | undefined): Promise<ArchiveSource> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    const reason = UNREADABLE[errnoOf(error) ?? ''];
    if (reason === undefined) throw error;
    throw new BuildError('usage', `Cannot load "${path}": ${reason}`, { cause: error });
  }
  await using _closed = handle;
  if ((await handle.stat()).isDirectory()) return await openLayout(path, staging);
  const stream = handle.createReadStream({ highWaterMark: 256 * 1024, autoClose: false });
  return await readArchive(abortable(stream, signal), staging);
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
};

/** The images, each once, with all the names that the archive has for it. */
async function readImages(source: ArchiveSource, staging: Staging, platform: Platform): Promise<LoadedImage[]> {
  const isLayout = (await source.document('oci-layout')) !== undefined;
  const found = isLayout ? await readLayoutImages(source, staging, platform) : await readDockerImages(source, staging);
  const byTarget = new Map<string, LoadedImage>();
  for (const { image, names } of found) {
    const known = byTarget.get(image.target.digest);
    byTarget.set(image.target.digest, { image, names: distinct([...(known?.names ?? []), ...names]) });
  }
  if (byTarget.size === 0) throw badArchive('there is no image in it');
  return [...byTarget.values()];
}
