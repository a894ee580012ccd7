/** What there is to know of a layer directory, as the native binary finds it; c/files.h has the form of the answer. */
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import { decodeLatin1Path } from '../core/path-bytes.ts';
import { compareBytes } from '../core/paths.ts';
import type { WantedEntry } from '../core/tree-entry.ts';
import { layerFrames } from './layer-packer.ts';
import type { ScannedLayer } from './tree-types.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Scans the layer directory `dir`. Throws as `packLayer` does. */
export async function scanLayer(pool: WorkerPool, dir: string): Promise<ScannedLayer> {
  const parts: Buffer[] = [];
  for await (const part of layerFrames(pool, ['files', 'scan', dir], dir)) parts.push(part);
  return readAnswer(Buffer.concat(parts).toString('latin1'));
}

/** The fields of an answer, as src/runtime-native/c/files.h has them. */
function readAnswer(text: string): ScannedLayer {
  const fields = text.split('\0');
  const fingerprint = fields.pop() ?? '';
  const opaqueDirs: string[] = [];
  const xattrs = new Map<string, Digest>();
  const wanted = new Map<string, WantedEntry>();
  const next = fields.values();
  for (const field of next) {
    const path = decodeLatin1Path(field.slice(1));
    const value = field.startsWith('o') ? '' : (next.next().value ?? '');
    if (field.startsWith('o')) opaqueDirs.push(path);
    else if (field.startsWith('w')) wanted.set(path, readWanted(value));
    // File systems list attributes in no particular order.
    else xattrs.set(path, digestOf(value.split(',').sort(compareBytes).join('\n')));
  }
  return { opaqueDirs, xattrs, wanted, fingerprint };
}

/** `UID:GID`, with `:c:MAJOR:MINOR` or `:b:…` after it for a device. */
function readWanted(text: string): WantedEntry {
  const [uid, gid, type, major, minor] = text.split(':');
  const owner = { uid: Number(uid), gid: Number(gid) };
  if (type === undefined) return owner;
  return {
    ...owner,
    device: { type: type === 'c' ? 'character' : 'block', major: Number(major), minor: Number(minor) },
  };
}
