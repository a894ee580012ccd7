/**
 * Images in the local store.
 *
 * An image is a manifest and a config in the content store, plus one layer per diffID: a compressed blob as it was pulled, an unpacked
 * snapshot, or both. An image that was built here has only snapshots: its manifest names the uncompressed tars (digest = diffID), whose
 * bytes are made again from the snapshot whenever somebody wants them (save, push). Names point at manifests.
 */
import type { Digest } from '../core/digest.ts';
import type { Platform } from '../core/platform.ts';
import type { Reference } from '../oci/reference.ts';
import type { Descriptor, ImageConfig, Manifest } from '../oci/types.ts';

/** An image with everything but its layers' bytes in memory. */
export interface Image {
  /** Of the manifest. */
  readonly target: Descriptor;
  readonly manifest: Manifest;
  /** Digest of the config's bytes: the image ID. */
  readonly id: Digest;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
}

/** A name and what it points at. */
export interface ImageName {
  /** Full form: `docker.io/library/alpine:latest`. */
  readonly name: string;
  readonly target: Descriptor;
  readonly updatedAtMs: number;
}

export interface ImageStore {
  /**
   * The image under a name, an image ID, a manifest digest or an unambiguous prefix of an ID (12 hex digits as shown by `images`, or 4 at least). */
  find(nameOrId: string): Promise<Image | undefined>;
  resolveName(reference: Reference): Promise<ImageName | undefined>;
  /** By manifest digest. Throws `store-corrupt` if a part is missing. */
  load(target: Descriptor): Promise<Image>;
  names(): Promise<ImageName[]>;
  /**
   * Moves a name atomically; the image must be in the content store. The image that had its only name so far becomes unnamed, and
   * one that was unnamed is no longer. Setting what is set already writes nothing.
   */
  setName(reference: Reference, target: Descriptor): Promise<void>;
  /** Forgets a name; false if there was none. */
  removeName(reference: Reference): Promise<boolean>;
  /** Keeps an image that has no name (`-t` not given), so that its ID can be used. Idempotent. */
  addUnnamed(target: Descriptor): Promise<void>;
  /** Images without a name. */
  unnamed(): Promise<Descriptor[]>;
  removeUnnamed(digest: Digest): Promise<void>;
}

/** What a source of images offers: the registry client fulfils it, tests may. */
export interface ImageSource {
  /** Manifest and config for a platform, verified; nothing of the layers. Throws `registry-*`, `platform-not-found`, `invalid-manifest`. */
  resolve(reference: Reference, platform: Platform, options: FetchOptions): Promise<Image>;
  /**
   * Brings the blobs of all layers that the content store lacks and `isNeeded` wants; parallel, verified. `reference` says where from; where
   * nobody knows that, `registry-not-found`.
   */
  fetchLayers(reference: Reference | undefined, image: Image, options: FetchLayersOptions): Promise<void>;
}

export interface FetchLayersOptions extends FetchOptions {
  /** Every layer when absent. */
  readonly isNeeded?: (layer: Descriptor, index: number) => Promise<boolean>;
}

export interface FetchOptions {
  readonly signal?: AbortSignal;
  /** Bytes of a blob so far. */
  readonly onProgress?: (digest: Digest, currentBytes: number, totalBytes: number) => void;
}
