/** The bytes of an image's layers: as they were pulled, or made again from the snapshot. */
import type { ContentStore } from '../content/types.ts';
import { verified } from '../content/verify.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';
import type { SnapshotStore } from '../snapshot/types.ts';
import { missingLayer } from './errors.ts';
import type { Image } from './types.ts';

/** Opens layers by their place in an image. */
export interface LayerReader {
  /**
   * The bytes that the manifest's descriptor names, checked against it at their end. Throws `store-corrupt` if they are not here and
   * cannot be made.
   */
  open(image: Image, index: number, signal?: AbortSignal): Promise<AsyncGenerator<Uint8Array, void, undefined>>;
}

export interface LayerReaderDeps {
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly files: NativeFiles;
}

export function createLayerReader(deps: LayerReaderDeps): LayerReader {
  const { content, snapshots, files } = deps;
  return {
    async open(image, index, signal) {
      const layer = image.manifest.layers[index];
      const diffID = image.config.rootfs.diff_ids[index];
      if (layer === undefined || diffID === undefined) throw new Error(`Image "${image.id}" has no layer ${index}`);
      const expected = { digest: layer.digest, sizeBytes: layer.size };
      if (await content.has(layer.digest))
        return verified(
          opened(() => content.open(layer.digest)),
          expected,
        );
      // A compressed blob cannot be made again: compressors differ.
      const snapshot = layer.digest === diffID ? await snapshots.findUnpacked(diffID) : undefined;
      if (snapshot === undefined) throw missingLayer(image.id, diffID);
      return verified(files.packLayer(snapshot.dir, signal && { signal }), expected);
    },
  };
}

/** Opened with the first read, so that a stream that nobody reads leaves nothing open. */
async function* opened(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* await open();
}
