/** What can go wrong with stored and loaded images, one factory a situation. */
import type { Digest, DiffID } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';

export function missingSnapshot(id: string): BuildError {
  return new BuildError('store-corrupt', `Cannot find layer "${id}" in the store`, {
    hint: 'Build the image again with "--no-cache", or pull it again',
  });
}

export function missingLayer(image: Digest, diffID: DiffID, cause?: unknown): BuildError {
  return new BuildError('store-corrupt', `Cannot find layer "${diffID}" of image "${image}" in the store`, {
    hint: 'Pull or build the image again',
    cause,
  });
}

export function otherDiffID(layer: Digest, want: DiffID, got: Digest): BuildError {
  return new BuildError(
    'digest-mismatch',
    `Content of layer "${layer}" is not what the image's config says: its diffID is "${got}" instead of "${want}"`,
  );
}

export function badArchive(why: string, cause?: unknown): BuildError {
  return new BuildError('invalid-archive', `Cannot load the archive: ${why}`, { cause });
}

export function archiveLimit(why: string): BuildError {
  return new BuildError('limit-exceeded', `Cannot load the archive: ${why}`);
}

/** A layer that cannot be unpacked, with the layer's name. */
export function inLayer(layer: Digest, error: unknown): unknown {
  if (!(error instanceof BuildError) || !LAYER_CODES.has(error.code)) return error;
  return new BuildError(error.code, `Cannot unpack layer "${layer}": ${error.message}`, { cause: error });
}

const LAYER_CODES = new Set<string>(['invalid-archive', 'path-escape', 'path-conflict', 'limit-exceeded']);
