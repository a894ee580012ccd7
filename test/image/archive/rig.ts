/** An image store over blobs in memory, and archives as loaders get them. */
import { readTar } from '../../../src/layer/reader.ts';
import type { LoadedImage, LoadInput } from '../../../src/image/archive/load.ts';
import { loadImages } from '../../../src/image/archive/load.ts';
import { openImageStore } from '../../../src/image/store.ts';
import type { ImageStore } from '../../../src/image/types.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { TestImage } from '../../support/images.ts';
import { json } from '../../support/images.ts';
import { memoryContent } from '../../support/memory-content.ts';
import type { TarItem } from '../../support/tars.ts';
import { tarOf } from '../../support/tars.ts';
import { tempDir } from '../../support/temp.ts';
import { streamOf } from '../rig.ts';

export const AMD64 = { os: 'linux', architecture: 'amd64' };

export interface LoadRig extends AsyncDisposable {
  readonly content: ReturnType<typeof memoryContent>;
  readonly images: ImageStore;
  readonly dir: string;
  load(input: LoadInput): Promise<LoadedImage[]>;
  /** Loads a tar of these files. */
  loadTar(items: readonly TarItem[]): Promise<LoadedImage[]>;
}

export async function openLoadRig(): Promise<LoadRig> {
  const dir = await tempDir();
  const content = memoryContent();
  const images = openImageStore(dir.path, { content, now: () => 1 });
  const load = (input: LoadInput): Promise<LoadedImage[]> =>
    loadImages({ content, images }, input, { platform: AMD64 });
  return {
    content,
    images,
    dir: dir.path,
    load,
    loadTar: (items) => load({ kind: 'stream', stream: streamOf(tarOf(items)) }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** Names in full with the image's ID, sorted. */
export function namesOf(loaded: readonly LoadedImage[]): string[] {
  return loaded.flatMap(({ image, names }) => names.map((name) => `${formatReference(name)} ${image.id}`)).sort();
}

export interface ArchivedFile {
  readonly path: string;
  readonly content: Buffer;
}

export async function filesIn(archive: AsyncIterable<Uint8Array>): Promise<ArchivedFile[]> {
  const files: ArchivedFile[] = [];
  for await (const entry of readTar(archive)) {
    const parts: Uint8Array[] = [];
    for await (const chunk of entry.content) parts.push(Uint8Array.from(chunk));
    files.push({ path: entry.path, content: Buffer.concat(parts) });
  }
  return files;
}

const hex = (digest: string): string => digest.slice('sha256:'.length);

/** An archive in the form of `docker save` before version 25: a directory for each layer. */
export function oldDockerArchive(made: TestImage, names: readonly string[] | null): TarItem[] {
  const config = `${hex(made.image.id)}.json`;
  const layers = made.layers.map((_, index) => `layer${index}/layer.tar`);
  return [
    ...made.layers.flatMap((layer, index): TarItem[] => [
      { path: `layer${index}/` },
      { path: `layer${index}/VERSION`, content: '1.0' },
      { path: `layer${index}/json`, content: '{}' },
      { path: `layer${index}/layer.tar`, content: layer.blob },
    ]),
    { path: config, content: made.configBytes },
    { path: 'manifest.json', content: json([{ Config: config, RepoTags: names, Layers: layers }]) },
    { path: 'repositories', content: '{}' },
  ];
}

/** The files of an OCI image layout. */
export function ociLayout(images: readonly TestImage[], index: object): TarItem[] {
  const blobs = new Map<string, Buffer>();
  for (const made of images) {
    for (const layer of made.layers) blobs.set(layer.descriptor.digest, layer.blob);
    blobs.set(made.image.id, made.configBytes);
    blobs.set(made.image.target.digest, made.manifestBytes);
  }
  return [
    ...[...blobs].map(([digest, content]): TarItem => ({ path: `blobs/sha256/${hex(digest)}`, content })),
    { path: 'index.json', content: json({ schemaVersion: 2, ...index }) },
    { path: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
  ];
}
