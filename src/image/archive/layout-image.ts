/** One image of an OCI image layout, brought into the content store without a name: a base of a build. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentStore } from '../../content/types.ts';
import { BuildError, errnoOf } from '../../core/errors.ts';
import type { Platform } from '../../core/platform.ts';
import type { Image } from '../types.ts';
import type { LayoutChoice } from './layout.ts';
import { readLayoutImage } from './layout.ts';
import { openLayout } from './source.ts';
import { Staging } from './staging.ts';
import { verifyLayers } from './verify-layers.ts';

export interface LayoutImageOptions {
  /** Which image of an index of several to take. */
  readonly platform: Platform;
  readonly signal: AbortSignal;
}

/**
 * The caller's lease keeps what is brought from being pruned. Throws `context-not-found`, `image-not-found`, `platform-not-found`,
 * `invalid-archive`, `invalid-manifest` or `digest-mismatch`; the store is then as before.
 */
export async function loadLayoutImage(
  content: ContentStore,
  layout: LayoutChoice & { readonly path: string },
  { platform, signal }: LayoutImageOptions,
): Promise<Image> {
  await requireLayout(layout.path);
  await using staging = await Staging.open(content, signal);
  const source = await openLayout(layout.path, staging);
  const image = await readLayoutImage(source, staging, platform, layout);
  await verifyLayers(content, image, signal);
  staging.keep([image.target.digest, image.id, ...image.manifest.layers.map(({ digest }) => digest)]);
  return image;
}

async function requireLayout(path: string): Promise<void> {
  try {
    if ((await stat(join(path, 'oci-layout'))).isFile()) return;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
  }
  throw new BuildError(
    'context-not-found',
    `Cannot use "${path}" as an OCI image layout: there is no file "oci-layout" in it`,
  );
}
