/** Results as the cache stores them: names of snapshots and images, never their content. */
import type { ResultCodec } from '../cache/record-file.ts';
import { isDigest } from '../core/digest.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { SnapshotId, SnapshotStore } from '../snapshot/types.ts';
import type { BuildResult } from './types.ts';

const SNAPSHOT_ID = /^[a-z0-9]+$/;

/** The codec over one store; a result whose snapshots are not all there any more is a miss. References are snapshot ids. */
export function createResultCodec(snapshots: Pick<SnapshotStore, 'get'>): ResultCodec<BuildResult> {
  return {
    encode(result) {
      switch (result.kind) {
        case 'layers':
          return { kind: 'layers', layers: result.layers };
        case 'image':
          return { kind: 'image', reference: result.reference, manifest: result.manifest };
        case 'local':
        case 'remote':
          throw new Error('What only one session can use cannot be stored');
        default:
          return unreachable(result);
      }
    },
    async decode(data) {
      const result = parse(data);
      if (result?.kind !== 'layers') return result;
      const found = await Promise.all(result.layers.map((id) => snapshots.get(id)));
      return found.includes(undefined) ? undefined : result;
    },
    references(data) {
      const result = parse(data);
      return result?.kind === 'layers' ? result.layers : [];
    },
  };
}

function parse(data: unknown): BuildResult | undefined {
  if (typeof data !== 'object' || data === null || !('kind' in data)) return undefined;
  if (data.kind === 'layers' && 'layers' in data && isIdList(data.layers))
    return { kind: 'layers', layers: data.layers };
  if (data.kind !== 'image' || !('reference' in data) || !('manifest' in data)) return undefined;
  const { reference, manifest } = data;
  if (typeof reference !== 'string' || typeof manifest !== 'string' || !isDigest(manifest)) return undefined;
  return { kind: 'image', reference, manifest };
}

function isIdList(value: unknown): value is SnapshotId[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'string' && SNAPSHOT_ID.test(id));
}
