/** Bringing an image into the store, whole. */
import type { Digest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import { hostPlatform, parsePlatform } from '../core/platform.ts';
import { digestOf } from '../core/digest.ts';
import type { VertexInfo } from '../core/progress.ts';
import { familiarReference, formatReference, parseReference } from '../oci/reference.ts';
import type { Image } from '../image/types.ts';
import type { Services } from './services.ts';
import type { CallOptions } from './types.ts';

export interface PulledImage {
  /** As Docker shows it. */
  readonly name: string;
  /** Of the manifest. */
  readonly digest: Digest;
  readonly upToDate: boolean;
}

/** Resolves `text` at its registry, fetches and unpacks the layers that are missing, then moves the name. */
export async function pullImage(
  services: Services,
  text: string,
  platformText: string | undefined,
  options: CallOptions,
): Promise<PulledImage> {
  const { signal } = options;
  const reference = parseReference(text);
  const platform = platformText === undefined ? hostPlatform() : parsePlatform(platformText);
  return asVertex(`pull ${familiarReference(reference)}`, options, async (report) => {
    await using _lease = await services.lease();
    const before = await services.images.resolveName(reference);
    const registry = await services.registry();
    const image = await registry.resolve(reference, platform, { signal });
    const unpacker = await services.unpacker();
    await unpacker.unpack(formatReference(reference), image.target.digest, { signal, onProgress: report });
    await services.images.setName(reference, image.target);
    return {
      name: familiarReference(reference),
      digest: image.target.digest,
      upToDate: before?.target.digest === image.target.digest,
    };
  });
}

/**
 * Fetches what an image that was only looked at lacks of its layers; `text` is what the user calls it. Nothing to do for an image whose
 * layers are all here, unpacked or as blobs.
 */
export async function ensureLayers(
  services: Services,
  text: string,
  image: Image,
  { signal }: CallOptions,
): Promise<void> {
  const { layers } = image.manifest;
  const diffIDs = image.config.rootfs.diff_ids;
  const isHere = await Promise.all(
    layers.map(async ({ digest }, index) => {
      const diffID = diffIDs[index];
      const canBePacked = diffID !== undefined && digest === diffID && (await services.snapshots.findUnpacked(diffID));
      return canBePacked ? true : services.content.has(digest);
    }),
  );
  if (isHere.every(Boolean)) return;
  const registry = await services.registry();
  await registry.fetchLayers(parseReference(text), image, {
    signal,
    isNeeded: async (_layer, index) => isHere[index] !== true,
  });
}

/** Shows something that is no step of a graph as if it were one. */
async function asVertex<T>(
  name: string,
  { progress, signal }: CallOptions,
  action: (report: (id: string, currentBytes: number, totalBytes: number) => void) => Promise<T>,
): Promise<T> {
  const vertex: VertexInfo = { digest: digestOf(name), name };
  progress({ kind: 'started', vertex, timeMs: Date.now() });
  try {
    const result = await action((id, currentBytes, totalBytes) =>
      progress({ kind: 'status', vertex, timeMs: Date.now(), id, currentBytes, totalBytes }),
    );
    progress({ kind: 'completed', vertex, timeMs: Date.now() });
    return result;
  } catch (error) {
    if (signal.aborted) progress({ kind: 'cancelled', vertex, timeMs: Date.now() });
    else if (error instanceof BuildError) progress({ kind: 'failed', vertex, timeMs: Date.now(), error });
    throw error;
  }
}
