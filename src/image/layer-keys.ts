/** Under which keys the unpacked form of an image's layer is remembered. */
import type { DiffID, Digest } from '../core/digest.ts';
import { chainIDOf, digestOf } from '../core/digest.ts';
import type { Snapshot, SnapshotStore } from '../snapshot/types.ts';

/**
 * The key of a layer that was unpacked with regard to those below it: its chain ID. The lowest layer's chain ID is its diffID, which is
 * for layers that may stand anywhere, so it gets a key of its own.
 */
export function dependentKey(diffIDs: readonly DiffID[], index: number): Digest {
  const chainID = chainIDOf(diffIDs.slice(0, index + 1));
  return index === 0 || chainID === undefined ? digestOf(`tsbuild.lowest-layer.v1 ${diffIDs[0] ?? ''}`) : chainID;
}

/** The snapshot of the layer at `index` of a stack, if the layer was unpacked or built here. */
export async function findLayer(
  snapshots: Pick<SnapshotStore, 'findUnpacked'>,
  diffIDs: readonly DiffID[],
  index: number,
): Promise<Snapshot | undefined> {
  const diffID = diffIDs[index];
  if (diffID === undefined) return undefined;
  return (await snapshots.findUnpacked(diffID)) ?? snapshots.findUnpacked(dependentKey(diffIDs, index));
}
