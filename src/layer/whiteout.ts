/** Names in a layer's tar that delete instead of adding (image-spec/layer.md#whiteouts). */
import { pathEscape } from './errors.ts';

const PREFIX = '.wh.';
const META_PREFIX = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

export type NameMeaning =
  | { readonly kind: 'plain' }
  /** Hides the entry `name` of lower layers (layer.md#explicit-whiteout). */
  | { readonly kind: 'whiteout'; readonly name: string }
  /** Hides everything that lower layers have in the directory (layer.md#opaque-whiteout). */
  | { readonly kind: 'opaque' }
  /** Bookkeeping of AUFS, which means nothing elsewhere. */
  | { readonly kind: 'metadata' };

const PLAIN: NameMeaning = { kind: 'plain' };

/** What the last name of a path means. Throws `path-escape` for a whiteout of `.` or `..`. */
export function meaningOf(name: string): NameMeaning {
  if (!name.startsWith(PREFIX)) return PLAIN;
  if (name === OPAQUE) return { kind: 'opaque' };
  if (name.startsWith(META_PREFIX)) return { kind: 'metadata' };
  const hidden = name.slice(PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw pathEscape(name);
  return { kind: 'whiteout', name: hidden };
}

/** Whether the path is inside one of AUFS's own directories at the top of a layer, such as `.wh..wh.plnk`. */
export function isMetadataPath(parts: readonly string[]): boolean {
  const [first] = parts;
  return parts.length > 1 && first !== undefined && first.startsWith(META_PREFIX);
}
