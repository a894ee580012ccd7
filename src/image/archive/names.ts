/** What an archive calls its images. */
import { BuildError } from '../../core/errors.ts';
import type { Reference } from '../../oci/reference.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import type { Descriptor } from '../../oci/types.ts';
import { CONTAINERD_NAME, REF_NAME } from './annotations.ts';
import { badArchive } from '../errors.ts';

/** A name as it stands in the archive; throws `invalid-archive` if it is none. */
export function archiveName(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof BuildError) throw badArchive(`"${text.slice(0, 100)}" is not an image name`, error);
    throw error;
  }
}

/** The name that an entry of an index has, if any. A bare tag is none: it does not say of what. */
export function annotatedName(entry: Descriptor): Reference | undefined {
  const full = entry.annotations?.[CONTAINERD_NAME];
  if (full !== undefined) return archiveName(full);
  const text = entry.annotations?.[REF_NAME];
  return text !== undefined && /[:/]/.test(text) ? archiveName(text) : undefined;
}

/** The names without repetitions. */
export function distinct(names: readonly Reference[]): Reference[] {
  return [...new Map(names.map((name) => [formatReference(name), name])).values()];
}
