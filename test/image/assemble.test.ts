import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asDiffID, digestOf, hexOf } from '../../src/core/digest.ts';
import { assembleImage } from '../../src/image/assemble.ts';
import { loadImage } from '../../src/image/load.ts';
import type { SnapshotId } from '../../src/snapshot/types.ts';
import { MediaType } from '../../src/oci/types.ts';
import { rejectsWith } from '../support/assert.ts';
import { storeTestImage, testImage } from '../support/images.ts';
import { openImageRig } from './rig.ts';

const AMD64 = { architecture: 'amd64', os: 'linux' };
const test = suite('image/assemble');

test('layers and config become an image whose parts are in the store', async () => {
  await using rig = await openImageRig();
  const one = await rig.layer('one');
  rig.clockMs += 60_000;
  const two = await rig.layer('two!');
  const image = await assembleImage(rig, {
    layers: [one.id, two.id],
    config: { ...AMD64, config: { Cmd: ['sh'], Env: ['A=b'] } },
    history: [
      { createdBy: 'COPY one', emptyLayer: false },
      { createdBy: 'ENV A=b', emptyLayer: true },
      { createdBy: 'RUN two', comment: 'c', emptyLayer: false },
    ],
  });
  assert.equal(await loadImage(rig.content, image.target), image);
  assert.equal(image.config, {
    ...AMD64,
    config: { Env: ['A=b'], Cmd: ['sh'] },
    created: '2024-01-01T00:01:00.000Z',
    history: [
      { created: '2024-01-01T00:00:00.000Z', created_by: 'COPY one' },
      { created: '2024-01-01T00:00:00.000Z', created_by: 'ENV A=b', empty_layer: true },
      { created: '2024-01-01T00:01:00.000Z', created_by: 'RUN two', comment: 'c' },
    ],
    rootfs: { type: 'layers', diff_ids: [asDiffID(digestOf('one')), asDiffID(digestOf('two!'))] },
  });
  assert.equal(image.manifest, {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, digest: digestOf(image.configBytes), size: image.configBytes.length },
    layers: [
      { mediaType: MediaType.ociLayer, digest: digestOf('one'), size: 3 },
      { mediaType: MediaType.ociLayer, digest: digestOf('two!'), size: 4 },
    ],
  });
});

test('fields are in the order in which Docker writes them', async () => {
  await using rig = await openImageRig();
  const image = await assembleImage(rig, {
    layers: [],
    config: {
      variant: 'v7',
      os: 'linux',
      author: 'me',
      architecture: 'arm',
      config: {
        Shell: ['sh'],
        Labels: { b: '2', a: '1' },
        Healthcheck: { Retries: 3, Test: ['NONE'] },
        User: 'u',
        Entrypoint: null,
      },
    },
    history: [],
  });
  assert.is(
    Buffer.from(image.configBytes).toString(),
    '{"architecture":"arm","author":"me",' +
      '"config":{"User":"u","Labels":{"a":"1","b":"2"},"Healthcheck":{"Test":["NONE"],"Retries":3},"Shell":["sh"]},' +
      '"history":[],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}',
  );
});

test('the same layers give the same image later on, without packing and without writing', async () => {
  await using rig = await openImageRig();
  const one = await rig.layer('one');
  const options = { layers: [one.id], config: AMD64, history: [{ createdBy: 'RUN', emptyLayer: false }] };
  const first = await assembleImage(rig, options);
  const path = join(rig.root, 'content/blobs/sha256', hexOf(first.target.digest));
  const before = await nodeFs.stat(path);
  rig.clockMs += 1e9;
  const second = await assembleImage(rig, options);
  assert.equal(second, first);
  assert.is((await nodeFs.stat(path)).ino, before.ino);
  assert.is(rig.files.packed, 1);
});

test("a base's layers, history and time are taken over, its media types become OCI's", async () => {
  await using rig = await openImageRig();
  const base = await storeTestImage(rig.content, testImage({ layers: ['base'], docker: true }), false);
  const one = await rig.layer('one');
  const image = await assembleImage(rig, {
    base,
    layers: [one.id],
    config: AMD64,
    history: [
      { createdBy: 'ENV', emptyLayer: true },
      { createdBy: 'RUN', emptyLayer: false },
    ],
  });
  const [lower, upper] = image.manifest.layers;
  assert.equal(lower, { ...base.manifest.layers[0]!, mediaType: MediaType.ociLayerGzip });
  assert.is(upper?.digest, digestOf('one'));
  assert.equal(image.config.rootfs.diff_ids, [digestOf('base'), digestOf('one')]);
  assert.equal(
    image.config.history?.map((entry) => entry.created),
    ['2024-05-06T07:08:09Z', '2024-05-06T07:08:09Z', '2024-01-01T00:00:00.000Z'],
  );
  const configOnly = await assembleImage(rig, {
    base,
    layers: [],
    config: AMD64,
    history: [{ createdBy: 'CMD', emptyLayer: true }],
  });
  assert.is(configOnly.config.created, '2024-05-06T07:08:09Z');
});

test('with an epoch the image is of that time, and its history of no later one', async () => {
  await using rig = await openImageRig();
  const base = await storeTestImage(rig.content, testImage({ layers: ['base'], docker: true }), false);
  const one = await rig.layer('one');
  const history = [{ createdBy: 'RUN', emptyLayer: false }];
  const times = async (epoch: string): Promise<unknown> => {
    const options = { base, layers: [one.id], config: AMD64, history, epochMs: Date.parse(epoch) };
    const { config } = await assembleImage(rig, options);
    return [config.created, ...(config.history ?? []).map(({ created }) => created)];
  };
  const early = '2000-01-01T00:00:00.000Z';
  assert.equal(await times(early), [early, early, early]);
  const late = '2030-01-01T00:00:00.000Z';
  assert.equal(await times(late), [late, '2024-05-06T07:08:09Z', '2024-01-01T00:00:00.000Z']);
});

test('a built layer is found by its diffID', async () => {
  await using rig = await openImageRig();
  const one = await rig.layer('one');
  await assembleImage(rig, { layers: [one.id], config: AMD64, history: [{ createdBy: 'RUN', emptyLayer: false }] });
  assert.is((await rig.snapshots.findUnpacked(digestOf('one')))?.id, one.id);
});

test('a history that does not fit the layers is a bug', async () => {
  await using rig = await openImageRig();
  const one = await rig.layer('one');
  const message = await assembleImage(rig, { layers: [one.id], config: AMD64, history: [] }).then(
    () => '',
    (error: unknown) => String(error),
  );
  assert.is(message, 'Error: The history tells of 0 layers, but there are 1');
});

test('a snapshot that is gone is an error', async () => {
  await using rig = await openImageRig();
  await rejectsWith('store-corrupt', () =>
    assembleImage(rig, {
      layers: ['gone' as SnapshotId],
      config: AMD64,
      history: [{ createdBy: 'RUN', emptyLayer: false }],
    }),
  );
});

test.run();
