/** The digest and the size of a layer's tar, as the native binary sends them: 32 bytes and a u64. */
import { asDiffID, parseDigest } from '../core/digest.ts';
import { layerFrames } from './layer-packer.ts';
import type { LayerIdentity } from './tree-types.ts';
import type { WorkerPool } from './worker-pool.ts';

const DIGEST_SIZE = 32;
export const IDENTITY_SIZE = DIGEST_SIZE + 8;

export function readIdentity(bytes: Buffer): LayerIdentity {
  const diffID = asDiffID(parseDigest(`sha256:${bytes.toString('hex', 0, DIGEST_SIZE)}`));
  return { diffID, sizeBytes: Number(bytes.readBigUInt64LE(DIGEST_SIZE)) };
}

/** The identity of the canonical tar of `dir`, which stays in the native process. Throws as `packLayer` does. */
export async function digestLayer(pool: WorkerPool, dir: string, signal?: AbortSignal): Promise<LayerIdentity> {
  const parts: Buffer[] = [];
  for await (const part of layerFrames(pool, ['pack', '--digest', dir], dir, signal)) parts.push(part);
  return readIdentity(Buffer.concat(parts));
}
