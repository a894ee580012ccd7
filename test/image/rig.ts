/** Stores in a temporary directory, with layers that are one file each instead of native work: no root needed. */
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { asDiffID, digestOf } from '../../src/core/digest.ts';
import type { ContentStore } from '../../src/content/types.ts';
import type { NativeFiles } from '../../src/runtime-native/tree-types.ts';
import { createSnapshotStore } from '../../src/snapshot/store.ts';
import type { Snapshot, SnapshotStore } from '../../src/snapshot/types.ts';
import { openContentStore } from '../../src/content/fs-store.ts';
import { tempDir } from '../support/temp.ts';

export interface ImageRig extends AsyncDisposable {
  readonly root: string;
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  /** Packs what `layer` wrote; counts how often. */
  readonly files: NativeFiles & { packed: number };
  /** The time of the next snapshot. */
  clockMs: number;
  /** A committed snapshot whose tar is `tar`. */
  layer(tar: string): Promise<Snapshot>;
}

export async function openImageRig(): Promise<ImageRig> {
  const dir = await tempDir();
  const misuse = (): never => {
    throw new Error('not in this rig');
  };
  const files = {
    packed: 0,
    packLayer(path: string) {
      files.packed++;
      return createReadStream(join(path, 'tar'));
    },
    async digestLayer(path: string) {
      files.packed++;
      const tar = await readFile(join(path, 'tar'));
      return { diffID: asDiffID(digestOf(tar)), sizeBytes: tar.length };
    },
    unpackLayer: misuse,
    openWriter: misuse,
    scanLayer: () => Promise.resolve({ opaqueDirs: [], xattrs: new Map(), fingerprint: '' }),
    removeTree: misuse,
  };
  const rig = { clockMs: Date.UTC(2024, 0, 1) };
  const snapshots = createSnapshotStore({ root: dir.path, scanLayer: files.scanLayer, now: () => rig.clockMs });
  return Object.assign(rig, {
    root: dir.path,
    content: openContentStore(dir.path),
    snapshots,
    files,
    async layer(tar: string) {
      await using active = await snapshots.prepare();
      await writeFile(join(active.upper, 'tar'), tar);
      return await active.commit();
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  });
}

export async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

export function streamOf(...parts: (string | Uint8Array)[]): Readable {
  return Readable.from(parts.map((part) => Buffer.from(part)));
}
