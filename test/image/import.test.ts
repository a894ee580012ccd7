import { gzipSync } from 'node:zlib';
import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openContentStore } from '../../src/content/fs-store.ts';
import type { ContentStore } from '../../src/content/types.ts';
import { importImage } from '../../src/image/import.ts';
import { createLayerReader } from '../../src/image/layers.ts';
import type { Image } from '../../src/image/types.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import type { NativeFiles } from '../../src/runtime-native/tree-types.ts';
import { createSnapshotStore } from '../../src/snapshot/store.ts';
import type { SnapshotStore } from '../../src/snapshot/types.ts';
import { rejectsWith } from '../support/assert.ts';
import { privileged } from '../support/privileged.ts';
import { tarOf } from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';
import { streamOf } from './rig.ts';

interface Rig extends AsyncDisposable {
  readonly root: string;
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly files: NativeFiles;
  import(tar: Buffer): Promise<Image>;
}

async function openRig(): Promise<Rig> {
  const dir = await tempDir();
  const files = createNativeFiles({ binaryPath: findRuntimeBinary() });
  const snapshots = createSnapshotStore({
    root: dir.path,
    scanLayer: (path) => files.scanLayer(path),
    removeTree: (path) => files.removeTree(path),
    now: () => Date.UTC(2024, 0, 1),
  });
  const deps = { content: openContentStore(dir.path), snapshots, files };
  const config = { os: 'linux', architecture: 'amd64', config: { Cmd: ['sh'] } };
  return {
    ...deps,
    root: dir.path,
    import: (tar) => importImage(deps, streamOf(tar), { config, comment: 'Imported from -' }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const ROOTFS = tarOf([
  { path: './etc/' },
  { path: './etc/name', content: 'hello' },
  { path: './bin', type: 'SymbolicLink', linkpath: 'usr/bin' },
]);
const test = suite('image/import');
const check = privileged(test);

check('the files of a tar become an image of one layer', async () => {
  await using rig = await openRig();
  const image = await rig.import(gzipSync(ROOTFS));
  assert.equal(image.config, {
    architecture: 'amd64',
    config: { Cmd: ['sh'] },
    created: '2024-01-01T00:00:00.000Z',
    history: [{ created: '2024-01-01T00:00:00.000Z', comment: 'Imported from -' }],
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: image.config.rootfs.diff_ids },
  });
  const [snapshot] = await rig.snapshots.list();
  assert.is(await nodeFs.readFile(join(snapshot!.dir, 'etc/name'), 'utf8'), 'hello');
  // Its bytes are made from the snapshot, and have the digest that the manifest names.
  let size = 0;
  for await (const chunk of await createLayerReader(rig).open(image, 0)) size += chunk.length;
  assert.is(size, image.manifest.layers[0]?.size);
});

check('the same files give the same image, in whatever order and form they come', async () => {
  await using rig = await openRig();
  const other = tarOf([
    { path: 'bin', type: 'SymbolicLink', linkpath: 'usr/bin' },
    { path: 'etc/' },
    { path: '/etc/name', content: 'hello' },
  ]);
  assert.is((await rig.import(ROOTFS)).id, (await rig.import(other)).id);
});

check('what is no tar is refused, and nothing is kept', async () => {
  await using rig = await openRig();
  await rejectsWith('invalid-archive', () => rig.import(Buffer.alloc(4096, 'x')));
  await rejectsWith('path-escape', () => rig.import(tarOf([{ path: '../x', content: 'x' }])));
  assert.equal(await rig.snapshots.list(), []);
  assert.equal(await nodeFs.readdir(join(rig.root, 'snapshots/active')), []);
  for await (const _ of rig.content.list()) assert.unreachable();
});

test.run();
