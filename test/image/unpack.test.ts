import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openContentStore } from '../../src/content/fs-store.ts';
import type { ContentStore } from '../../src/content/types.ts';
import { asDiffID, digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { findLayer } from '../../src/image/layer-keys.ts';
import { createLayerReader } from '../../src/image/layers.ts';
import type { Image, ImageSource } from '../../src/image/types.ts';
import type { Unpacker } from '../../src/image/unpack.ts';
import { createUnpacker } from '../../src/image/unpack.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import type { NativeFiles } from '../../src/runtime-native/tree-types.ts';
import { createSnapshotStore } from '../../src/snapshot/store.ts';
import type { SnapshotId, SnapshotStore } from '../../src/snapshot/types.ts';
import { MergedView } from '../../src/snapshot/view.ts';
import { rejectsWith } from '../support/assert.ts';
import type { TestImage } from '../support/images.ts';
import { storeTestImage, testImage } from '../support/images.ts';
import { privileged } from '../support/privileged.ts';
import { tarOf } from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';

const SIGNAL = new AbortController().signal;

interface Rig extends AsyncDisposable {
  readonly root: string;
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly files: NativeFiles;
  readonly unpacker: Unpacker;
  /** Layers that were unpacked. */
  applied: number;
  /** Serves an image's layers to the unpacker. */
  serve(made: TestImage): void;
  readonly fetched: string[];
  unpack(image: Image, signal?: AbortSignal): Promise<readonly SnapshotId[]>;
  view(ids: readonly SnapshotId[]): Promise<MergedView>;
  read(ids: readonly SnapshotId[], path: string): Promise<string>;
}

async function openRig(): Promise<Rig> {
  const dir = await tempDir();
  const native = createNativeFiles({ binaryPath: findRuntimeBinary() });
  const rig = { applied: 0 };
  const files: NativeFiles = {
    ...native,
    unpackLayer: (tar, upper, options) => {
      rig.applied++;
      return native.unpackLayer(tar, upper, options);
    },
  };
  const snapshots = createSnapshotStore({
    root: dir.path,
    scanLayer: (path) => files.scanLayer(path),
    removeTree: (path) => files.removeTree(path),
  });
  const content = openContentStore(dir.path);
  const served = new Map<string, Buffer>();
  const fetched: string[] = [];
  const source: ImageSource = {
    resolve: () => Promise.reject(new Error('not asked for')),
    fetchLayers: async (_, image, { isNeeded, onProgress }) => {
      for (const [index, layer] of image.manifest.layers.entries()) {
        if ((await isNeeded?.(layer, index)) === false || (await content.has(layer.digest))) continue;
        const blob = served.get(layer.digest);
        if (blob === undefined) throw new BuildError('registry-not-found', 'not served');
        fetched.push(layer.digest);
        onProgress?.(layer.digest, blob.length, blob.length);
        await content.put(blob);
      }
    },
  };
  const unpacker = createUnpacker({ content, snapshots, files, source: () => Promise.resolve(source) });
  const view = async (ids: readonly SnapshotId[]): Promise<MergedView> =>
    new MergedView(await Promise.all(ids.map(async (id) => (await snapshots.get(id))!)));
  return Object.assign(rig, {
    root: dir.path,
    content,
    snapshots,
    files,
    unpacker,
    fetched,
    serve: (made: TestImage) => made.layers.forEach((layer) => served.set(layer.descriptor.digest, layer.blob)),
    unpack: (image: Image, signal = SIGNAL) =>
      unpacker.unpack('example.com/app:latest', image.target.digest, { signal }),
    view,
    read: async (ids: readonly SnapshotId[], path: string) => nodeFs.readFile((await view(ids)).hostPath(path), 'utf8'),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  });
}

const BASE = tarOf([{ path: 'etc/' }, { path: 'etc/name', content: 'base' }, { path: 'tmp/', mode: 0o1777 }]);
const UPPER = tarOf([{ path: 'etc/' }, { path: 'etc/name', content: 'upper' }, { path: 'new', content: 'n' }]);
const MADE = testImage({ layers: [BASE, UPPER] });
const test = suite('image/unpack');
const check = privileged(test);

check('layers are fetched, unpacked and remembered', async () => {
  await using rig = await openRig();
  const image = await storeTestImage(rig.content, MADE, false);
  rig.serve(MADE);
  const ids = await rig.unpack(image);
  assert.is(await rig.read(ids, '/etc/name'), 'upper');
  assert.is(await rig.read(ids.slice(0, 1), '/etc/name'), 'base');
  assert.is((await rig.view(ids)).lstat('/tmp')?.mode, 0o1777);
  for (const [index, id] of ids.entries()) {
    const tar = MADE.layers[index]!.tar;
    assert.equal(await rig.snapshots.layerDigest(id), { diffID: digestOf(tar), sizeBytes: tar.length });
    assert.is((await findLayer(rig.snapshots, image.config.rootfs.diff_ids, index))?.id, id);
  }
  assert.equal(await rig.unpack(image), ids);
  assert.is(rig.applied, 2);
  assert.is(rig.fetched.length, 2);
});

check('an unpacked image needs no blobs, and one that is stored no source', async () => {
  await using rig = await openRig();
  const image = await storeTestImage(rig.content, MADE);
  const ids = await rig.unpack(image);
  assert.equal(rig.fetched, []);
  for (const layer of MADE.layers) await rig.content.remove(layer.descriptor.digest);
  assert.equal(await rig.unpack(image), ids);
});

check('a layer is unpacked once for all images and all callers', async () => {
  await using rig = await openRig();
  const one = await storeTestImage(rig.content, MADE, false);
  const two = await storeTestImage(rig.content, testImage({ layers: [BASE, tarOf([{ path: 'x' }])] }));
  rig.serve(MADE);
  const [a, b, c] = await Promise.all([rig.unpack(one), rig.unpack(one), rig.unpack(two)]);
  assert.equal(a, b);
  assert.is(a?.[0], c?.[0]);
  assert.is(rig.applied, 3);
  assert.is(new Set(rig.fetched).size, rig.fetched.length);
});

check('parents that a tar leaves out are those of the layers below, each time', async () => {
  await using rig = await openRig();
  const bare = tarOf([{ path: 'tmp/file', content: 'f' }]);
  const onto = (base: Buffer): Promise<Image> => storeTestImage(rig.content, testImage({ layers: [base, bare] }));
  const strict = tarOf([{ path: 'tmp/', mode: 0o700 }]);
  const modes: (number | undefined)[] = [];
  for (const base of [BASE, strict, BASE]) {
    const ids = await rig.unpack(await onto(base));
    assert.is(await rig.read(ids, '/tmp/file'), 'f');
    modes.push((await rig.view(ids)).lstat('/tmp')?.mode);
  }
  assert.equal(modes, [0o1777, 0o700, 0o1777]);
});

check('the lowest layer of one image is not taken for an upper one of another', async () => {
  await using rig = await openRig();
  const bare = tarOf([{ path: 'tmp/file', content: 'f' }]);
  const lowest = await storeTestImage(rig.content, testImage({ layers: [bare] }));
  const upper = await storeTestImage(rig.content, testImage({ layers: [BASE, bare] }));
  const [first] = await rig.unpack(lowest);
  const ids = await rig.unpack(upper);
  assert.is.not(ids[1], first);
  assert.is((await rig.view(ids)).lstat('/tmp')?.mode, 0o1777);
  assert.equal(await rig.unpack(lowest), [first]);
});

check('a hard link into a lower layer is unpacked with a view of it', async () => {
  await using rig = await openRig();
  const linking = tarOf([{ path: 'etc/' }, { path: 'etc/alias', type: 'Link', linkpath: 'etc/name' }]);
  const image = await storeTestImage(rig.content, testImage({ layers: [BASE, linking] }));
  const ids = await rig.unpack(image);
  assert.is(await rig.read(ids, '/etc/alias'), 'base');
});

check('a layer that is not what the config says is refused, and the store is as before', async () => {
  await using rig = await openRig();
  const made = testImage({
    layers: [BASE, UPPER],
    configExtra: { rootfs: { type: 'layers', diff_ids: [digestOf(BASE), asDiffID(digestOf('else'))] } },
  });
  const image = await storeTestImage(rig.content, made, false);
  rig.serve(made);
  await rejectsWith('digest-mismatch', () => rig.unpack(image), /its diffID is "sha256:/);
  assert.is(await rig.content.has(made.layers[1]!.descriptor.digest), false);
  for (const snapshot of await rig.snapshots.list()) {
    assert.is((await rig.snapshots.layerDigest(snapshot.id))?.diffID, digestOf(BASE));
  }
  assert.equal(await nodeFs.readdir(join(rig.root, 'snapshots/active')), []);
});

check('a layer that is no archive is refused by name', async () => {
  await using rig = await openRig();
  const made = testImage({ layers: [BASE, Buffer.alloc(2048, 'x')] });
  const image = await storeTestImage(rig.content, made);
  await rejectsWith(
    'invalid-archive',
    () => rig.unpack(image),
    new RegExp(`Cannot unpack layer "${made.layers[1]!.descriptor.digest}"`),
  );
});

check('a layer that is nowhere is an error of the store', async () => {
  await using rig = await openRig();
  const image = await storeTestImage(rig.content, MADE, false);
  await rejectsWith('store-corrupt', () => rig.unpack(image), /Cannot find layer/);
  await rejectsWith('store-corrupt', () => rig.unpacker.unpack(image.id, image.target.digest, { signal: SIGNAL }));
});

check('abort ends an unpacking and leaves nothing active', async () => {
  await using rig = await openRig();
  const image = await storeTestImage(rig.content, MADE);
  const controller = new AbortController();
  const unpacking = rig.unpack(image, controller.signal);
  controller.abort();
  await rejectsWith('cancelled', () => unpacking);
  const active = await nodeFs.readdir(join(rig.root, 'snapshots/active')).catch(() => []);
  assert.equal(active, []);
});

check('a layer is read as it was pulled, or made again from what was built', async () => {
  await using rig = await openRig();
  const reader = createLayerReader(rig);
  const image = await storeTestImage(rig.content, MADE);
  const bytes: Uint8Array[] = [];
  for await (const chunk of await reader.open(image, 0)) bytes.push(chunk);
  assert.ok(Buffer.concat(bytes).equals(MADE.layers[0]!.blob));

  await rig.unpack(image);
  await rig.content.remove(MADE.layers[0]!.descriptor.digest);
  await rejectsWith('store-corrupt', () => reader.open(image, 0));
});

test.run();
