/**
 * Manifests, indexes and configs from bytes that a stranger may have written.
 *
 * What comes out has the types of src/oci/types.ts and only the fields named there; keep the bytes beside it wherever the digest matters.
 * Errors are `invalid-manifest` naming the field, or `limit-exceeded`.
 */
import { asDiffID } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import type { Descriptor, DescriptorPlatform, HistoryEntry, ImageConfig, Index, Manifest } from './types.ts';
import { MediaType } from './types.ts';
import type { Field } from './json-check.ts';
import {
  booleanOf,
  countOf,
  digestOfField,
  invalidField,
  listOf,
  mapOf,
  optional,
  parseJsonObject,
  required,
  stringOf,
  stringsOf,
} from './json-check.ts';
import { containerConfigOf } from './validate-config.ts';

/** Of a manifest or an index (distribution-spec: registries accept at least 4 MiB). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
/** The kernel stacks at most 500 directories in an overlay. */
export const MAX_LAYERS = 500;
const MAX_INDEX_ENTRIES = 1000;
const MAX_HISTORY = 10_000;

/** What a manifest's bytes turned out to be. */
export type ImageDocument =
  { readonly kind: 'manifest'; readonly manifest: Manifest } | { readonly kind: 'index'; readonly index: Index };

/** A manifest or an index, told apart by its own media type or, without one, by its fields. `what` names it in errors. */
export function parseDocument(bytes: Uint8Array, what = 'manifest'): ImageDocument {
  if (bytes.length > MAX_MANIFEST_BYTES) throw tooLarge(what, bytes.length, MAX_MANIFEST_BYTES);
  const root = parseJsonObject(bytes, what);
  checkSchema(root, what);
  const hasManifests = optional(root, 'manifests') !== undefined;
  const isImage = optional(root, 'config') !== undefined || optional(root, 'layers') !== undefined;
  // A document that can be read as either could be taken for one thing here and for another elsewhere.
  if (hasManifests && isImage) throw ambiguous(what);
  const mediaType = mediaTypeOf(root);
  switch (mediaType) {
    case MediaType.ociIndex:
    case MediaType.dockerIndex:
      return { kind: 'index', index: indexOf(root, mediaType) };
    case MediaType.ociManifest:
    case MediaType.dockerManifest:
      return { kind: 'manifest', manifest: manifestOf(root, mediaType) };
    case undefined:
      return hasManifests
        ? { kind: 'index', index: indexOf(root, undefined) }
        : { kind: 'manifest', manifest: manifestOf(root, undefined) };
    default:
      throw unknownType(what, mediaType);
  }
}

export function parseManifest(bytes: Uint8Array, what = 'manifest'): Manifest {
  const document = parseDocument(bytes, what);
  if (document.kind === 'manifest') return document.manifest;
  throw new BuildError('invalid-manifest', `Cannot use ${what}: it is an index of images, not an image`);
}

export function parseIndex(bytes: Uint8Array, what = 'index'): Index {
  const document = parseDocument(bytes, what);
  if (document.kind === 'index') return document.index;
  throw new BuildError('invalid-manifest', `Cannot use ${what}: it is an image, not an index of images`);
}

/** Reads an image config; with `manifest`, also whether the two agree on the layers. */
export function parseConfig(bytes: Uint8Array, manifest?: Manifest, what = 'image config'): ImageConfig {
  if (bytes.length > MAX_CONFIG_BYTES) throw tooLarge(what, bytes.length, MAX_CONFIG_BYTES);
  const config = imageConfigOf(parseJsonObject(bytes, what));
  const diffIDs = config.rootfs.diff_ids.length;
  if (manifest !== undefined && manifest.layers.length !== diffIDs) {
    throw new BuildError(
      'invalid-manifest',
      `Cannot use ${what}: rootfs.diff_ids names ${diffIDs} layers, but the manifest has ${manifest.layers.length}`,
    );
  }
  const described = (config.history ?? []).filter((entry) => entry.empty_layer !== true).length;
  if (described > diffIDs) {
    throw new BuildError(
      'invalid-manifest',
      `Cannot use ${what}: history tells of ${described} layers, but rootfs.diff_ids names ${diffIDs}`,
    );
  }
  return config;
}

/** Reads a descriptor, wherever it stands. */
export function descriptorOf(field: Field): Descriptor {
  const urls = optional(field, 'urls');
  const annotations = optional(field, 'annotations');
  const platform = optional(field, 'platform');
  const artifactType = optional(field, 'artifactType');
  return {
    mediaType: stringOf(required(field, 'mediaType'), 255),
    digest: digestOfField(required(field, 'digest')),
    size: countOf(required(field, 'size')),
    ...(urls && { urls: listOf(urls, 100, (item) => stringOf(item, 8192)) }),
    ...(annotations && { annotations: mapOf(annotations, (item) => stringOf(item)) }),
    ...(platform && { platform: platformOf(platform) }),
    ...(artifactType && { artifactType: stringOf(artifactType, 255) }),
  };
}

function checkSchema(root: Field, what: string): void {
  const version = optional(root, 'schemaVersion');
  if (version?.value === 2) return;
  if (version?.value === 1) throw schema1(what);
  throw invalidField(version ?? { value: undefined, path: `${root.path}.schemaVersion` }, '2');
}

function mediaTypeOf(root: Field): string | undefined {
  const field = optional(root, 'mediaType');
  const text = field && stringOf(field, 255);
  return text === '' ? undefined : text;
}

function manifestOf(root: Field, mediaType: string | undefined): Manifest {
  const config = descriptorOf(required(root, 'config'));
  checkConfigType(config, root.path);
  const annotations = optional(root, 'annotations');
  return {
    schemaVersion: 2,
    ...(mediaType !== undefined && { mediaType }),
    config,
    layers: listOf(required(root, 'layers'), MAX_LAYERS, layerOf),
    ...(annotations && { annotations: mapOf(annotations, (item) => stringOf(item)) }),
  };
}

function indexOf(root: Field, mediaType: string | undefined): Index {
  const annotations = optional(root, 'annotations');
  const manifests = optional(root, 'manifests');
  return {
    schemaVersion: 2,
    ...(mediaType !== undefined && { mediaType }),
    manifests: manifests === undefined ? [] : listOf(manifests, MAX_INDEX_ENTRIES, descriptorOf),
    ...(annotations && { annotations: mapOf(annotations, (item) => stringOf(item)) }),
  };
}

/** Other things than images are kept in registries in the same form: charts, signatures, attestations. */
function checkConfigType(config: Descriptor, what: string): void {
  switch (config.mediaType) {
    case MediaType.ociConfig:
    case MediaType.dockerConfig:
    // As old registries name every blob.
    case 'application/octet-stream':
      return;
    default:
      throw new BuildError(
        'invalid-manifest',
        `Cannot use ${what}: its config has type "${config.mediaType}", so it is not a container image`,
      );
  }
}

function layerOf(field: Field): Descriptor {
  const layer = descriptorOf(field);
  if (layer.mediaType.endsWith('+encrypted')) {
    throw new BuildError(
      'unsupported-feature',
      `Cannot use ${field.path}: the layer is encrypted, which is not supported`,
    );
  }
  return layer;
}

function platformOf(field: Field): DescriptorPlatform {
  const variant = optional(field, 'variant');
  const version = optional(field, 'os.version');
  const features = optional(field, 'os.features');
  return {
    os: stringOf(required(field, 'os'), 100),
    architecture: stringOf(required(field, 'architecture'), 100),
    ...(variant && variant.value !== '' && { variant: stringOf(variant, 100) }),
    ...(version && { 'os.version': stringOf(version, 100) }),
    ...(features && { 'os.features': stringsOf(features, 100) }),
  };
}

function imageConfigOf(root: Field): ImageConfig {
  const created = optional(root, 'created');
  const author = optional(root, 'author');
  const container = optional(root, 'config');
  const history = optional(root, 'history');
  const rootfs = required(root, 'rootfs');
  const type = required(rootfs, 'type');
  if (type.value !== 'layers') throw invalidField(type, '"layers"');
  const diffIDs = optional(rootfs, 'diff_ids');
  return {
    ...(created && { created: timeOf(created) }),
    ...(author && { author: stringOf(author) }),
    ...platformOf(root),
    ...(container && { config: containerConfigOf(container) }),
    rootfs: {
      type: 'layers',
      diff_ids: diffIDs === undefined ? [] : listOf(diffIDs, MAX_LAYERS, (item) => asDiffID(digestOfField(item))),
    },
    ...(history && { history: listOf(history, MAX_HISTORY, historyOf) }),
  };
}

function historyOf(field: Field): HistoryEntry {
  const created = optional(field, 'created');
  const createdBy = optional(field, 'created_by');
  const author = optional(field, 'author');
  const comment = optional(field, 'comment');
  const emptyLayer = optional(field, 'empty_layer');
  return {
    ...(created && { created: timeOf(created) }),
    ...(createdBy && { created_by: stringOf(createdBy) }),
    ...(author && { author: stringOf(author) }),
    ...(comment && { comment: stringOf(comment) }),
    ...(emptyLayer && { empty_layer: booleanOf(emptyLayer) }),
  };
}

/** A time as in RFC 3339, kept as it was written. */
function timeOf(field: Field): string {
  const text = stringOf(field, 64);
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d/.test(text)) throw invalidField(field, 'a time as in RFC 3339');
  return text;
}

function tooLarge(what: string, sizeBytes: number, maxBytes: number): BuildError {
  return new BuildError('limit-exceeded', `Cannot use ${what}: it has ${sizeBytes} bytes, more than ${maxBytes}`);
}

/** Schema 1 describes an image without saying what its layers contain, so nothing of it can be verified. */
export function schema1(what: string): BuildError {
  return new BuildError(
    'invalid-manifest',
    `Cannot use ${what}: it has the outdated form "schema 1", which is not supported`,
    {
      hint: 'Push the image to the registry again with a current tool',
    },
  );
}

function ambiguous(what: string): BuildError {
  return new BuildError('invalid-manifest', `Cannot use ${what}: it claims to be both an image and an index of images`);
}

function unknownType(what: string, mediaType: string): BuildError {
  return new BuildError(
    'invalid-manifest',
    `Cannot use ${what}: it has type "${mediaType.slice(0, 100)}", which is neither an image nor an index`,
  );
}
