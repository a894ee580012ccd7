/** Downloading an image's layers into the content store. */
import type { ContentStore } from '../content/types.ts';
import { BuildError } from '../core/errors.ts';
import { mapLimit } from '../core/map-limit.ts';
import type { FetchLayersOptions, Image } from '../image/types.ts';
import type { Descriptor } from '../oci/types.ts';
import type { RegistryClient } from './client.ts';
import { failure, rangeFrom } from './client.ts';
import { downloadBlob } from './download.ts';
import { noOrigin } from './errors.ts';
import type { HttpResponse } from './http.ts';
import type { Transport } from './transport.ts';

export interface LayerSource {
  readonly content: ContentStore;
  readonly transport: Transport;
  /** Absent where nobody knows where the layers are. */
  readonly registry:
    | {
        readonly client: RegistryClient;
        /** `library/alpine`. */
        readonly repository: string;
      }
    | undefined;
}

/** As many as Docker's. */
const PARALLEL = 3;

/** Fulfils `ImageSource.fetchLayers`. The first failure ends the other downloads; what has arrived by then stays. */
export async function fetchLayerBlobs(source: LayerSource, image: Image, options: FetchLayersOptions): Promise<void> {
  const wanted = new Map<string, Descriptor>();
  for (const [index, layer] of image.manifest.layers.entries()) {
    if (wanted.has(layer.digest) || (await options.isNeeded?.(layer, index)) === false) continue;
    if (!(await source.content.has(layer.digest))) wanted.set(layer.digest, layer);
  }
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  await mapLimit([...wanted.values()], PARALLEL, async (layer) => {
    try {
      await fetchLayer(source, layer, { ...options, signal });
    } catch (error) {
      failed.abort();
      throw error;
    }
  });
}

async function fetchLayer(source: LayerSource, layer: Descriptor, options: FetchLayersOptions): Promise<void> {
  const { digest, size } = layer;
  const { signal, onProgress } = options;
  const what = `layer "${digest}"`;
  const chunks = downloadBlob({
    digest,
    sizeBytes: size,
    what,
    transport: source.transport,
    signal,
    request: (offset) => requestLayer(source, layer, offset, what, signal),
  });
  await source.content.write(
    chunks,
    { digest, sizeBytes: size },
    {
      ...(signal && { signal }),
      ...(onProgress && { onProgress: (bytes: number) => onProgress(digest, bytes, size) }),
    },
  );
}

/** From the registry, or from where the manifest says that the layer is kept instead (image-spec: non-distributable layers). */
async function requestLayer(
  source: LayerSource,
  layer: Descriptor,
  offset: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  try {
    if (source.registry === undefined) throw noOrigin(what);
    const { client, repository } = source.registry;
    return await client.blob(repository, layer.digest, offset, { what, signal });
  } catch (error) {
    const urls = (layer.urls ?? []).filter((url) => URL.canParse(url) && new URL(url).protocol === 'https:');
    if (!(error instanceof BuildError && error.code === 'registry-not-found') || urls.length === 0) throw error;
    return requestForeign(source, urls, offset, what, signal);
  }
}

async function requestForeign(
  source: LayerSource,
  urls: readonly string[],
  offset: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  let error: unknown;
  for (const url of urls) {
    try {
      const response = await source.transport.send({
        method: 'GET',
        url: new URL(url),
        headers: rangeFrom(offset),
        signal,
      });
      if (response.status === 200 || response.status === 206) return response;
      error = await failure(response, what);
    } catch (cause) {
      if (!(cause instanceof BuildError) || cause.code === 'cancelled') throw cause;
      error = cause;
    }
  }
  throw error;
}
