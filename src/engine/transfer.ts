/** Images in and out as archives. */
import { isDigest } from '../core/digest.ts';
import { hostPlatform } from '../core/platform.ts';
import type { LoadInput } from '../image/archive/load.ts';
import * as archive from '../image/archive/load.ts';
import { writeArchive } from '../image/archive/output.ts';
import * as archiveOut from '../image/archive/save.ts';
import { createLayerReader } from '../image/layers.ts';
import type { Reference } from '../oci/reference.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import { requireImage } from './images.ts';
import { ensureLayers } from './pull.ts';
import type { Services } from './services.ts';
import type { CallOptions } from './types.ts';

export type SaveOutput = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'stdout' };

/** Writes one archive of all `names`; what a pulled image lacks is fetched first. */
export async function saveImages(
  services: Services,
  names: readonly string[],
  output: SaveOutput,
  options: CallOptions,
): Promise<void> {
  const { signal } = options;
  await using _lease = await services.lease();
  const images: archiveOut.SavedImage[] = [];
  for (const text of names) {
    const image = await requireImage(services, text);
    await ensureLayers(services, text, image, options);
    images.push({ image, names: await nameOf(services, text) });
  }
  const { content, snapshots } = services;
  const layers = createLayerReader({ content, snapshots, files: await services.files() });
  const chunks = archiveOut.saveImages({ content, layers }, images, { signal });
  if (output.kind === 'file') {
    await writeArchive(output.path, chunks, { signal });
    return;
  }
  const { pipeline } = await import('node:stream/promises');
  await pipeline(chunks, process.stdout, { signal, end: false });
}

/** The name that `text` is, if it is one; an image that is saved by its ID gets none. */
async function nameOf(services: Services, text: string): Promise<Reference[]> {
  if (isDigest(text) || /^[0-9a-f]{64}$/.test(text)) return [];
  const reference = parseReference(text);
  return (await services.images.resolveName(reference)) && reference.digest === undefined ? [reference] : [];
}

/** Resolves with the names as Docker shows them, and the IDs of images without a name. */
export async function loadImages(services: Services, input: LoadInput, { signal }: CallOptions): Promise<string[]> {
  await using _lease = await services.lease();
  const { content, images } = services;
  const loaded = await archive.loadImages({ content, images }, input, { platform: hostPlatform(), signal });
  const shown: string[] = [];
  for (const { image, names } of loaded) {
    shown.push(...(names.length > 0 ? names.map(familiarReference) : [image.id]));
  }
  return shown;
}
