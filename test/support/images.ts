/** Small images made of given bytes, for tests. */
import { gzipSync } from 'node:zlib';
import type { ContentStore } from '../../src/content/types.ts';
import { asDiffID, digestOf } from '../../src/core/digest.ts';
import { imageOf } from '../../src/image/load.ts';
import type { Image } from '../../src/image/types.ts';
import type { ContainerConfig, Descriptor, ImageConfig, Manifest } from '../../src/oci/types.ts';
import { MediaType } from '../../src/oci/types.ts';

export interface TestLayer {
  /** The uncompressed tar, or whatever the test calls so. */
  readonly tar: Buffer;
  /** The blob's bytes. */
  readonly blob: Buffer;
  readonly descriptor: Descriptor;
}

export interface TestImage {
  readonly image: Image;
  readonly manifestBytes: Buffer;
  readonly configBytes: Buffer;
  readonly layers: readonly TestLayer[];
}

export interface TestImageOptions {
  readonly layers: readonly (Buffer | string)[];
  readonly config?: ContainerConfig;
  readonly architecture?: string;
  readonly variant?: string;
  readonly compress?: boolean;
  /** In Docker's media types instead of OCI's. */
  readonly docker?: boolean;
  /** Overrides or additions, also such as make it invalid. */
  readonly manifestExtra?: object;
  readonly configExtra?: object;
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function descriptorOfBytes(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

export function testLayer(content: Buffer | string, compress: boolean, docker = false): TestLayer {
  const tar = Buffer.from(content);
  const blob = compress ? gzipSync(tar) : tar;
  const mediaType = compress
    ? docker
      ? MediaType.dockerLayerGzip
      : MediaType.ociLayerGzip
    : docker
      ? MediaType.dockerLayer
      : MediaType.ociLayer;
  return { tar, blob, descriptor: descriptorOfBytes(mediaType, blob) };
}

export function testImage(options: TestImageOptions): TestImage {
  const { compress = true, docker = false, architecture = 'amd64', variant } = options;
  const layers = options.layers.map((layer) => testLayer(layer, compress, docker));
  const config: ImageConfig = {
    architecture,
    ...(options.config && { config: options.config }),
    created: '2024-05-06T07:08:09Z',
    history: layers.map((_, index) => ({ created: '2024-05-06T07:08:09Z', created_by: `layer ${index}` })),
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => asDiffID(digestOf(layer.tar))) },
    ...(variant !== undefined && { variant }),
    ...options.configExtra,
  };
  const configBytes = json(config);
  const mediaType = docker ? MediaType.dockerManifest : MediaType.ociManifest;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config: descriptorOfBytes(docker ? MediaType.dockerConfig : MediaType.ociConfig, configBytes),
    layers: layers.map((layer) => layer.descriptor),
    ...options.manifestExtra,
  };
  const manifestBytes = json(manifest);
  const image = imageOf(descriptorOfBytes(mediaType, manifestBytes), manifest, configBytes);
  return { image, manifestBytes, configBytes, layers };
}

/** Stores manifest and config, and the layers' blobs unless told otherwise. */
export async function storeTestImage(content: ContentStore, made: TestImage, withLayers = true): Promise<Image> {
  await content.put(made.configBytes);
  await content.put(made.manifestBytes);
  if (withLayers) for (const layer of made.layers) await content.put(layer.blob);
  return made.image;
}
