import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../../src/core/digest.ts';
import { saveImages } from '../../../src/image/archive/save.ts';
import type { SavedImage } from '../../../src/image/archive/save.ts';
import { assembleImage } from '../../../src/image/assemble.ts';
import { createLayerReader } from '../../../src/image/layers.ts';
import { formatReference, parseReference } from '../../../src/oci/reference.ts';
import { rejectsWith } from '../../support/assert.ts';
import { storeTestImage, testImage } from '../../support/images.ts';
import type { ImageRig } from '../rig.ts';
import { openImageRig, streamOf } from '../rig.ts';
import { filesIn, namesOf, openLoadRig } from './rig.ts';

const PULLED = testImage({ layers: ['base', 'top'] });
const test = suite('image/archive/save');

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}

function save(rig: ImageRig, images: readonly SavedImage[]): AsyncGenerator<Uint8Array, void> {
  return saveImages({ content: rig.content, layers: createLayerReader(rig) }, images);
}

test('an archive is an OCI layout with a manifest.json, and each blob is in it once', async () => {
  await using rig = await openImageRig();
  const pulled = await storeTestImage(rig.content, PULLED);
  const one = await rig.layer('one');
  const built = await assembleImage(rig, {
    base: pulled,
    layers: [one.id],
    config: { os: 'linux', architecture: 'amd64' },
    history: [{ createdBy: 'RUN', emptyLayer: false }],
  });
  const names = ['app:v1', 'ghcr.io/x/app', `app@${built.target.digest}`].map(parseReference);
  const archive = await bytesOf(
    save(rig, [
      { image: built, names },
      { image: pulled, names: [] },
    ]),
  );
  const files = await filesIn(streamOf(archive));
  const hex = (digest: string): string => `blobs/sha256/${digest.slice(7)}`;
  const [base, top] = PULLED.layers.map((layer) => layer.descriptor.digest);
  assert.equal(
    files.map((file) => file.path),
    [
      'oci-layout',
      'index.json',
      'manifest.json',
      hex(built.target.digest),
      hex(built.id),
      hex(base!),
      hex(top!),
      hex(digestOf('one')),
      hex(pulled.target.digest),
      hex(pulled.id),
    ],
  );
  for (const { path, content } of files.slice(3)) assert.is(hex(digestOf(content)), path);
  const parsed = files.slice(0, 3).map((file) => JSON.parse(file.content.toString()) as unknown);
  const platform = { architecture: 'amd64', os: 'linux' };
  const entry = (name: string, tag?: string): object => ({
    ...built.target,
    annotations: {
      'io.containerd.image.name': name,
      ...(tag !== undefined && { 'org.opencontainers.image.ref.name': tag }),
    },
    platform,
  });
  assert.equal(parsed, [
    { imageLayoutVersion: '1.0.0' },
    {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        entry('docker.io/library/app:v1', 'v1'),
        entry(`docker.io/library/app@${built.target.digest}`),
        entry('ghcr.io/x/app:latest', 'latest'),
        { ...pulled.target, platform },
      ],
    },
    [
      {
        Config: hex(built.id),
        RepoTags: ['app:v1', 'ghcr.io/x/app:latest'],
        Layers: [base, top, digestOf('one')].map((digest) => hex(digest!)),
      },
      { Config: hex(pulled.id), RepoTags: null, Layers: [hex(base!), hex(top!)] },
    ],
  ]);
});

test('the same image gives the same bytes, however it was asked for', async () => {
  await using rig = await openImageRig();
  const image = await storeTestImage(rig.content, PULLED);
  const [a, b] = ['a', 'b'].map(parseReference) as [
    ReturnType<typeof parseReference>,
    ReturnType<typeof parseReference>,
  ];
  const first = await bytesOf(save(rig, [{ image, names: [a, b] }]));
  const second = await bytesOf(
    save(rig, [
      { image, names: [b] },
      { image, names: [a, b] },
    ]),
  );
  assert.ok(first.equals(second));
});

test('what was saved is loaded as the same image with the same names', async () => {
  await using rig = await openImageRig();
  await using other = await openLoadRig();
  const image = await storeTestImage(rig.content, PULLED);
  const names = ['app:v1', 'ghcr.io/x/app'].map(parseReference);
  const loaded = await other.load({ kind: 'stream', stream: save(rig, [{ image, names }]) });
  assert.equal(
    loaded.map((one) => one.image),
    [image],
  );
  assert.equal(namesOf(loaded), [`docker.io/library/app:v1 ${image.id}`, `ghcr.io/x/app:latest ${image.id}`]);
  assert.is((await other.images.find('app:v1'))?.target.digest, image.target.digest);
});

test('any images are loaded as they were saved', async () => {
  const name = fc.constantFrom('a', 'a:v1', 'team/b', 'localhost:5000/c:x', 'ghcr.io/d/e');
  const layers = fc.array(fc.string({ unit: 'grapheme', maxLength: 5 }), { maxLength: 4 });
  const saved = fc.record({
    layers,
    names: fc.uniqueArray(name, { maxLength: 2 }),
    compress: fc.boolean(),
    docker: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(saved, { minLength: 1, maxLength: 3 }), async (wanted) => {
      await using rig = await openImageRig();
      await using other = await openLoadRig();
      const images: SavedImage[] = [];
      const last = new Map<string, string>();
      for (const { names, ...options } of wanted) {
        const image = await storeTestImage(rig.content, testImage(options));
        images.push({ image, names: names.map(parseReference) });
      }
      const loaded = await other.load({ kind: 'stream', stream: save(rig, images) });
      const ids = (list: readonly { image: { target: { digest: string } } }[]): string[] =>
        [...new Set(list.map(({ image }) => image.target.digest))].sort();
      assert.equal(ids(loaded), ids(images));
      // Of an image that is there twice the names are put together; a name of two images goes to the later one.
      for (const { image, names } of loaded)
        for (const one of names) last.set(formatReference(one), image.target.digest);
      for (const [full, digest] of last) assert.is((await other.images.find(full))?.target.digest, digest);
      for (const { image } of images)
        assert.equal((await other.images.find(image.target.digest))?.config, image.config);
    }),
    { numRuns: 15 },
  );
});

test('a snapshot that has changed is not saved as what it was', async () => {
  await using rig = await openImageRig();
  const one = await rig.layer('one');
  await rig.snapshots.setLayerDigest(one.id, { diffID: digestOf('two') as never, sizeBytes: 3 });
  await rig.snapshots.setUnpacked(digestOf('two'), one.id);
  const config = { os: 'linux', architecture: 'amd64' };
  const image = await assembleImage(rig, {
    layers: [one.id],
    config,
    history: [{ createdBy: 'RUN', emptyLayer: false }],
  });
  await rejectsWith('digest-mismatch', () => bytesOf(save(rig, [{ image, names: [] }])));
});

test('a layer that is nowhere is an error', async () => {
  await using rig = await openImageRig();
  const image = await storeTestImage(rig.content, PULLED, false);
  await rejectsWith('store-corrupt', () => bytesOf(save(rig, [{ image, names: [] }])), /Cannot find layer/);
});

test.run();
