/**
 * Making room: containers that ended, images and cache that nothing needs.
 *
 * What is needed is told from the top: names keep images, images and containers keep layers and blobs, records keep the layers of results that the
 * next build would find. A running build or container holds a lease from before its first look into the store; what it may have found or made since the oldest
 * lease began stays (see `cache/prune.ts`).
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { oldestLiveLease } from '../cache/lease.ts';
import { pruneRecords } from '../cache/prune.ts';
import type { Digest } from '../core/digest.ts';
import { diskBytes } from '../core/directories.ts';
import { throwIfAborted } from '../core/errors.ts';
import { createResultCodec } from '../executor/codec.ts';
import type { Image } from '../image/types.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import { openRunner } from './containers.ts';
import { unpackedLayers } from './images.ts';
import type { Services } from './services.ts';
import { StorePaths } from './services.ts';
import type { CallOptions, PruneOutcome, PruneRequest } from './types.ts';

export async function prune(services: Services, { all }: PruneRequest, { signal }: CallOptions): Promise<PruneOutcome> {
  const runner = await openRunner(services);
  const containers = await runner.prune();
  const inUse = new Set((await runner.list()).map(({ imageId }) => imageId));
  throwIfAborted(signal);

  const { kept, removed, removedImages } = await pruneNames(services, all, inUse);
  // A build or a run that began before its base's name was taken away may be using it; one that begins now does not find it.
  const isIdle = (await oldestLiveLease(join(services.root, StorePaths.leases))) === undefined;
  const needed = await neededBy(services, isIdle ? kept : [...kept, ...removed]);
  const records = await pruneRecords({
    dir: join(services.root, StorePaths.cache),
    leases: join(services.root, StorePaths.leases),
    references: createResultCodec(services.snapshots).references,
    // Cheap to find again: a record whose layers an image keeps anyway.
    discard: ({ reachable, references }) =>
      all || !reachable || references.length === 0 || !references.every((id) => needed.snapshots.has(id)),
  });
  throwIfAborted(signal);

  let reclaimedBytes = containers.reclaimedBytes;
  for (const snapshot of await services.snapshots.list()) {
    if (needed.snapshots.has(snapshot.id) || records.references.has(snapshot.id)) continue;
    if (snapshot.createdAtMs >= records.horizonMs) continue;
    reclaimedBytes += await diskBytes(snapshot.dir);
    await services.snapshots.remove(snapshot.id);
  }
  for await (const blob of services.content.list()) {
    if (needed.blobs.has(blob.digest) || blob.modifiedAtMs >= records.horizonMs) continue;
    reclaimedBytes += blob.sizeBytes;
    await services.content.remove(blob.digest);
  }
  await services.origins.retain(needed.blobs);
  if (all) reclaimedBytes += await removeIdle(services, ['cache-mounts', StorePaths.git, StorePaths.downloads]);
  return {
    removedImages,
    removedContainers: containers.removed,
    removedRecords: records.removed.length,
    reclaimedBytes,
  };
}

/** Forgets names; with `all` those of every image that no container uses, else only images that have none. */
async function pruneNames(
  services: Services,
  all: boolean,
  inUse: ReadonlySet<Digest>,
): Promise<{ kept: Image[]; removed: Image[]; removedImages: string[] }> {
  const { images } = services;
  const kept: Image[] = [];
  const removed: Image[] = [];
  const removedImages: string[] = [];
  const oldest = await oldestLiveLease(join(services.root, StorePaths.leases));
  for (const { name, target, updatedAtMs } of await images.names()) {
    const image = await images.load(target);
    if (!all || inUse.has(image.id) || (oldest !== undefined && updatedAtMs >= oldest)) {
      kept.push(image);
      continue;
    }
    removed.push(image);
    await images.removeName(parseReference(name));
    removedImages.push(familiarReference(parseReference(name)));
  }
  for (const target of await images.unnamed()) {
    const image = await images.load(target);
    if (inUse.has(image.id)) {
      kept.push(image);
      continue;
    }
    removed.push(image);
    await images.removeUnnamed(target.digest);
    removedImages.push(image.id);
  }
  return { kept, removed, removedImages };
}

async function neededBy(
  services: Services,
  images: readonly Image[],
): Promise<{ snapshots: ReadonlySet<string>; blobs: ReadonlySet<Digest> }> {
  const snapshots = new Set<string>();
  const blobs = new Set<Digest>();
  for (const image of images) {
    blobs.add(image.target.digest);
    blobs.add(image.id);
    for (const layer of image.manifest.layers) blobs.add(layer.digest);
    for (const snapshot of await unpackedLayers(services, image)) if (snapshot) snapshots.add(snapshot.id);
  }
  return { snapshots, blobs };
}

/** Only while nothing runs: a RUN may have a cache mounted, a build may be reading what git fetched. */
async function removeIdle({ root }: Services, directories: readonly string[]): Promise<number> {
  if ((await oldestLiveLease(join(root, StorePaths.leases))) !== undefined) return 0;
  let bytes = 0;
  for (const name of directories) {
    const dir = join(root, name);
    bytes += await diskBytes(dir);
    await rm(dir, { recursive: true, force: true });
  }
  return bytes;
}
