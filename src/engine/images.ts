/** Images by name: list, tag, remove, inspect, history. */
import { BuildError } from '../core/errors.ts';
import { compareBytes } from '../core/paths.ts';
import { suggest } from '../core/suggest.ts';
import { findLayer } from '../image/layer-keys.ts';
import type { Image, ImageName } from '../image/types.ts';
import { familiarReference, familiarRepository, formatReference, parseReference } from '../oci/reference.ts';
import type { HistoryEntry } from '../oci/types.ts';
import type { Snapshot } from '../snapshot/types.ts';
import type { Services } from './services.ts';
import type { HistoryLine, ImageInspection, ImageSummary, RemovedImage } from './types.ts';

/** The image under a name or ID; throws `image-not-found` with the nearest name. */
export async function requireImage(services: Services, nameOrId: string): Promise<Image> {
  const image = await services.images.find(nameOrId);
  if (image) return image;
  const names = (await services.images.names()).map(({ name }) => familiarReference(parseReference(name)));
  const nearest = suggest(nameOrId, [...names, ...names.map((name) => name.replace(/:latest$/, ''))]);
  throw new BuildError('image-not-found', `Cannot find image "${nameOrId}" in the store`, {
    ...(nearest !== undefined && { hint: `did you mean "${nearest}"?` }),
  });
}

/** Newest first, as `docker images` does. */
export async function listImages(services: Services): Promise<ImageSummary[]> {
  const rows: ImageSummary[] = [];
  for (const { name, target } of await services.images.names()) {
    const reference = parseReference(name);
    rows.push({
      repository: familiarRepository(reference),
      tag: reference.tag ?? '<none>',
      ...(await describe(services, await services.images.load(target))),
    });
  }
  for (const target of await services.images.unnamed()) {
    rows.push({
      repository: '<none>',
      tag: '<none>',
      ...(await describe(services, await services.images.load(target))),
    });
  }
  const label = (row: ImageSummary): string => `${row.repository}:${row.tag}`;
  return rows.sort((a, b) => compareBytes(b.createdAt ?? '', a.createdAt ?? '') || compareBytes(label(a), label(b)));
}

async function describe(
  services: Services,
  image: Image,
): Promise<Pick<ImageSummary, 'id' | 'createdAt' | 'sizeBytes'>> {
  const sizes = await layerSizes(services, image);
  const known = sizes.filter((size) => size !== undefined);
  return {
    id: image.id,
    createdAt: image.config.created,
    sizeBytes: known.length < sizes.length ? undefined : known.reduce((sum, size) => sum + size, 0),
  };
}

export async function tagImage(services: Services, source: string, target: string): Promise<void> {
  const reference = parseReference(target);
  if (reference.digest !== undefined) {
    throw new BuildError('invalid-reference', `Cannot tag "${source}" as "${target}": a new name has no digest`);
  }
  const image = await requireImage(services, source);
  await services.images.setName(reference, image.target);
}

/**
 * A name is removed alone; an ID with all its names, which takes `force` when there are several. Layers and blobs go with the next
 * prune. Throws `image-not-found`, `image-in-use` where a container (`usedBy` names it) still needs the image.
 */
export async function removeImage(
  services: Services,
  nameOrId: string,
  force: boolean,
  usedBy: (image: Image) => Promise<string | undefined>,
): Promise<RemovedImage> {
  const image = await requireImage(services, nameOrId);
  const all = (await services.images.names()).filter(({ target }) => target.digest === image.target.digest);
  const named = namedBy(nameOrId, all);
  const removed = named ? [named] : all;
  const isLast = removed.length === all.length;
  if (!named && all.length > 1 && !force) {
    throw new BuildError('image-in-use', `Cannot remove image "${nameOrId}": it has ${all.length} names`, {
      hint: 'remove the names one by one, or use --force',
    });
  }
  const user = isLast ? await usedBy(image) : undefined;
  if (user !== undefined && !force) {
    throw new BuildError('image-in-use', `Cannot remove image "${nameOrId}": container "${user}" uses it`, {
      hint: 'remove the container first, or use --force to take only the name away',
    });
  }
  // Without a name, but still there: a container lives on its layers.
  if (user !== undefined) await services.images.addUnnamed(image.target);
  for (const { name } of removed) await services.images.removeName(parseReference(name));
  const isDeleted = isLast && user === undefined;
  if (isDeleted) await services.images.removeUnnamed(image.target.digest);
  return {
    untagged: removed.map(({ name }) => familiarReference(parseReference(name))),
    deleted: isDeleted ? [image.id] : [],
  };
}

/** The name that `text` is, unless it is an ID. */
function namedBy(text: string, names: readonly ImageName[]): ImageName | undefined {
  let full: string;
  try {
    full = formatReference(parseReference(text));
  } catch (error) {
    if (error instanceof BuildError) return undefined; // an ID in full is no name
    throw error;
  }
  return names.find(({ name }) => name === full);
}

export async function inspectImage(services: Services, nameOrId: string): Promise<ImageInspection> {
  const image = await requireImage(services, nameOrId);
  const { config } = image;
  const names = (await services.images.names()).filter(({ target }) => target.digest === image.target.digest);
  const references = names.map(({ name }) => parseReference(name));
  const sizes = await layerSizes(services, image);
  return {
    Id: image.id,
    RepoTags: references.map(familiarReference).sort(compareBytes),
    RepoDigests: [...new Set(references.map((name) => `${familiarRepository(name)}@${image.target.digest}`))].sort(
      compareBytes,
    ),
    Created: config.created,
    Author: config.author ?? '',
    Architecture: config.architecture,
    ...(config.variant !== undefined && { Variant: config.variant }),
    Os: config.os,
    Size: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
    Config: config.config ?? {},
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Descriptor: image.target,
  };
}

export async function imageHistory(services: Services, nameOrId: string): Promise<HistoryLine[]> {
  const image = await requireImage(services, nameOrId);
  const sizes = await layerSizes(services, image);
  const entries: readonly HistoryEntry[] = image.config.history ?? image.config.rootfs.diff_ids.map(() => ({}));
  let layer = 0;
  const lines = entries.map((entry): HistoryLine => {
    const sizeBytes = entry.empty_layer === true ? 0 : (sizes[layer++] ?? 0);
    return { id: '<missing>', entry, sizeBytes };
  });
  return lines.reverse().map((line, index) => (index === 0 ? { ...line, id: image.id } : line));
}

/** Sizes of the unpacked layers, in bytes, lowest first; undefined for one that was never unpacked. */
async function layerSizes(services: Services, image: Image): Promise<(number | undefined)[]> {
  const snapshots = await unpackedLayers(services, image);
  return Promise.all(
    snapshots.map(async (snapshot) => snapshot && (await services.snapshots.layerDigest(snapshot.id))?.sizeBytes),
  );
}

/** The snapshots of an image's layers that are in the store, lowest first. */
export async function unpackedLayers(services: Services, image: Image): Promise<(Snapshot | undefined)[]> {
  const { diff_ids: diffIDs } = image.config.rootfs;
  return Promise.all(diffIDs.map((_, index) => findLayer(services.snapshots, diffIDs, index)));
}
