/**
 * Content digests in their textual form, `sha256:` and 64 lower-case hex digits (image-spec/descriptor.md#digests).
 *
 * The brands keep apart what looks alike; this is the only file that mints them.
 */
import { createHash } from 'node:crypto';
import { BuildError } from './errors.ts';

declare const brand: unique symbol;

/** Digest of exact bytes: a blob, a manifest, a config, an operation. */
export type Digest = string & { readonly [brand]: 'digest' };
/** Digest of a layer's uncompressed tar. */
export type DiffID = Digest & { readonly diffID: true };
/** Identity of a stack of layers (image-spec/config.md#layer-chainid). */
export type ChainID = Digest & { readonly chainID: true };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Reads a digest from outside; throws `invalid-digest`. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new BuildError('invalid-digest', `Cannot parse digest "${text}": want "sha256:" and 64 lower-case hex digits`);
}

export function parseDiffID(text: string): DiffID {
  return parseDigest(text) as DiffID;
}

export function digestOf(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** The digest of what went through a finished SHA-256 `hash`. */
export function digestOfHash(hash: import('node:crypto').Hash): Digest {
  return `sha256:${hash.digest('hex')}` as Digest;
}

/** The 64 hex digits, as used in blob paths. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

export function asDiffID(digest: Digest): DiffID {
  return digest as DiffID;
}

/** The chain ID of `diffIDs`, lowest layer first; undefined for an empty stack. */
export function chainIDOf(diffIDs: readonly DiffID[]): ChainID | undefined {
  let chain: ChainID | undefined;
  for (const diffID of diffIDs) chain = (chain === undefined ? diffID : digestOf(`${chain} ${diffID}`)) as ChainID;
  return chain;
}
