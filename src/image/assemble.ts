/**
 * From layers and a config to an image: the config's and the manifest's bytes, in the content store.
 *
 * Nothing is packed or compressed for it: a new layer is named by the digest of its uncompressed tar, which is computed once per
 * snapshot. The times in an image are those of its layers, so that assembling the same layers again gives the same image.
 */
import type { ContentStore } from '../content/types.ts';
import { mapLimit } from '../core/map-limit.ts';
import type { Descriptor, HistoryEntry, ImageConfig } from '../oci/types.ts';
import { MediaType } from '../oci/types.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';
import type { LayerDigest, Snapshot, SnapshotId, SnapshotStore } from '../snapshot/types.ts';
import { encodeConfig, encodeManifest } from './encode.ts';
import { missingSnapshot } from './errors.ts';
import { EMPTY_TAR, isEmptyDirectory } from '../layer/empty.ts';
import { imageOf } from './load.ts';
import type { Image } from './types.ts';
import { parseManifest } from '../oci/validate.ts';

export interface AssembleDeps {
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly files: NativeFiles;
}

/** A line of history to be; the frontend's `PlannedHistory` is one. */
export interface NewHistory {
  /** Left out when empty. */
  readonly createdBy: string;
  readonly comment?: string;
  readonly emptyLayer: boolean;
}

export interface AssembleOptions {
  /** The image below; its layers, descriptors and history are taken over. */
  readonly base?: Image;
  /** The layers above the base's, lowest first. */
  readonly layers: readonly SnapshotId[];
  /** What the image says about itself, complete: nothing but history and layers is taken from the base. */
  readonly config: Omit<ImageConfig, 'rootfs' | 'history' | 'created'>;
  /** After the base's; has as many lines with a layer as there are layers. */
  readonly history: readonly NewHistory[];
  /** Of the manifest. */
  readonly annotations?: ReadonlyMap<string, string>;
  /** The image's time; no line of the history has a later one. In milliseconds. */
  readonly epochMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Puts an image together and stores its config and manifest; gives it no name. Writes nothing when it is there already.
 * Throws `store-corrupt` if a snapshot is missing.
 */
export async function assembleImage(deps: AssembleDeps, options: AssembleOptions): Promise<Image> {
  const { base, layers, signal } = options;
  const own = await mapLimit(layers, PARALLEL_DIGESTS, (id) => describeLayer(deps, id, signal));
  checkHistory(options);
  const { epochMs } = options;
  const history = clamped([...(base?.config.history ?? []), ...describeHistory(options, own)], epochMs);
  const created = epochMs === undefined ? (latest(own) ?? base?.config.created) : timeOf(epochMs);
  const configBytes = encodeConfig({
    ...options.config,
    ...(created !== undefined && { created }),
    rootfs: {
      type: 'layers',
      diff_ids: [...(base?.config.rootfs.diff_ids ?? []), ...own.map((layer) => layer.diffID)],
    },
    history,
  });
  const stored = await deps.content.put(configBytes);
  const config: Descriptor = { mediaType: MediaType.ociConfig, digest: stored.digest, size: stored.sizeBytes };
  const allLayers = [
    ...(base?.manifest.layers ?? []).map(withOciType),
    ...own.map((layer) => ({ mediaType: MediaType.ociLayer, digest: layer.diffID, size: layer.sizeBytes })),
  ];
  const manifestBytes = encodeManifest(config, allLayers, options.annotations);
  const { digest, sizeBytes } = await deps.content.put(manifestBytes);
  const target: Descriptor = { mediaType: MediaType.ociManifest, digest, size: sizeBytes };
  return imageOf(target, parseManifest(manifestBytes), configBytes);
}

/** Each is a native process that reads a tree; the digests are computed in this one. */
const PARALLEL_DIGESTS = 4;

interface OwnLayer extends LayerDigest {
  readonly createdAtMs: number;
}

async function describeLayer(deps: AssembleDeps, id: SnapshotId, signal: AbortSignal | undefined): Promise<OwnLayer> {
  const snapshot = await deps.snapshots.get(id);
  if (snapshot === undefined) throw missingSnapshot(id);
  const digest = (await deps.snapshots.layerDigest(id)) ?? (await digestSnapshot(deps, snapshot, signal));
  return { ...digest, createdAtMs: snapshot.createdAtMs };
}

/** Computes a snapshot's digest and remembers it; from then on the snapshot is found by its diffID, too. */
async function digestSnapshot(
  deps: Pick<AssembleDeps, 'files' | 'snapshots'>,
  snapshot: Snapshot,
  signal: AbortSignal | undefined,
): Promise<LayerDigest> {
  const digest = await computeDigest(deps, snapshot, signal);
  await deps.snapshots.setLayerDigest(snapshot.id, digest);
  await deps.snapshots.setUnpacked(digest.diffID, snapshot.id);
  return digest;
}

async function computeDigest(
  deps: Pick<AssembleDeps, 'files'>,
  snapshot: Snapshot,
  signal: AbortSignal | undefined,
): Promise<LayerDigest> {
  if (snapshot.opaqueDirs.length === 0 && isEmptyDirectory(snapshot.dir)) return EMPTY_TAR;
  const { digestLayer } = await import('../layer/write.ts');
  return digestLayer(deps.files, snapshot.dir, signal);
}

function checkHistory({ layers, history }: AssembleOptions): void {
  const described = history.filter((line) => !line.emptyLayer).length;
  if (described !== layers.length)
    throw new Error(`The history tells of ${described} layers, but there are ${layers.length}`);
}

/** A line without a layer has the time of the line before. */
function describeHistory(options: AssembleOptions, layers: readonly OwnLayer[]): HistoryEntry[] {
  const base = options.base?.config;
  let created = base?.history?.at(-1)?.created ?? base?.created;
  let next = 0;
  return options.history.map((line) => {
    const layer = line.emptyLayer ? undefined : layers[next++];
    if (layer !== undefined) created = timeOf(layer.createdAtMs);
    return {
      ...(created !== undefined && { created }),
      ...(line.createdBy !== '' && { created_by: line.createdBy }),
      ...(line.comment !== undefined && { comment: line.comment }),
      ...(line.emptyLayer && { empty_layer: true }),
    };
  });
}

/** A line without a time gets one as well, as in Docker. */
function clamped(history: readonly HistoryEntry[], epochMs: number | undefined): readonly HistoryEntry[] {
  if (epochMs === undefined) return history;
  return history.map((entry) =>
    Date.parse(entry.created ?? '') <= epochMs ? entry : { ...entry, created: timeOf(epochMs) },
  );
}

function latest(layers: readonly OwnLayer[]): string | undefined {
  return layers.length === 0 ? undefined : timeOf(Math.max(...layers.map((layer) => layer.createdAtMs)));
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

const OCI_TYPES: Readonly<Record<string, string>> = {
  [MediaType.dockerLayer]: MediaType.ociLayer,
  [MediaType.dockerLayerGzip]: MediaType.ociLayerGzip,
  [MediaType.dockerLayerForeignGzip]: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
};

/** The same blob under the name that an OCI manifest has for its type. */
function withOciType(layer: Descriptor): Descriptor {
  return { ...layer, mediaType: OCI_TYPES[layer.mediaType] ?? layer.mediaType };
}
