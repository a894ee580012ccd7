/**
 * The two keys of a vertex (docs/cache-keys.md): over how its inputs were made, and over what they contain.
 *
 * The only file that mints `CacheKey`. A key is the digest of lines, a digest each: its kind and version, the operation, and every input.
 * So a key of one kind never equals one of the other, and a change of the format makes new keys instead of wrong hits.
 */
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { CacheKey } from './types.ts';

/** How one input enters a definition key. */
export type DefinitionPart =
  /** By its own definition key. */
  | { readonly kind: 'definition'; readonly key: CacheKey }
  /** A source, by the digest of what is used of it. */
  | { readonly kind: 'content'; readonly digest: Digest }
  /** A source, by its identity. */
  | { readonly kind: 'identity'; readonly identity: Digest }
  | { readonly kind: 'none' };

/** How one input enters a content key. */
export type ContentPart = Exclude<DefinitionPart, { readonly kind: 'definition' }>;

/** The key that is known before anything runs. */
export function definitionKey(opDigest: Digest, inputs: readonly DefinitionPart[]): CacheKey {
  return keyOf('tsbuild.definition-key.v1', opDigest, inputs);
}

/** The key that needs the inputs' results. */
export function contentKey(opDigest: Digest, inputs: readonly ContentPart[]): CacheKey {
  return keyOf('tsbuild.content-key.v1', opDigest, inputs);
}

function keyOf(version: string, opDigest: Digest, inputs: readonly DefinitionPart[]): CacheKey {
  return digestOf([version, opDigest, ...inputs.map(lineOf)].join('\n')) as CacheKey;
}

function lineOf(part: DefinitionPart): string {
  switch (part.kind) {
    case 'definition':
      return `definition ${part.key}`;
    case 'content':
      return `content ${part.digest}`;
    case 'identity':
      return `identity ${part.identity}`;
    case 'none':
      return 'none';
    default:
      return unreachable(part);
  }
}
