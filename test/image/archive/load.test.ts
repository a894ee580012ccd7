import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asDiffID, digestOf } from '../../../src/core/digest.ts';
import { loadImages } from '../../../src/image/archive/load.ts';
import { MediaType } from '../../../src/oci/types.ts';
import { rejectsWith } from '../../support/assert.ts';
import { json, testImage } from '../../support/images.ts';
import type { TarItem } from '../../support/tars.ts';
import { tarOf } from '../../support/tars.ts';
import { streamOf } from '../rig.ts';
import type { LoadRig } from './rig.ts';
import { AMD64, namesOf, ociLayout, oldDockerArchive, openLoadRig } from './rig.ts';

const PLAIN = testImage({ layers: ['base', 'top'], compress: false, config: { Cmd: ['sh'] } });
const PACKED = testImage({ layers: ['base', 'top'] });
const test = suite('image/archive/load');

function named(made: typeof PLAIN, annotations: Record<string, string>): object {
  return { ...made.image.target, annotations };
}

async function isUntouched(rig: LoadRig): Promise<void> {
  assert.is(rig.content.blobs.size, 0);
  assert.equal(await rig.images.names(), []);
  assert.equal(await rig.images.unnamed(), []);
}

test('an archive of docker save as it was before version 25', async () => {
  await using rig = await openLoadRig();
  const loaded = await rig.loadTar(oldDockerArchive(PLAIN, ['app:v1', 'registry.example.com:5000/team/app:v2']));
  assert.equal(namesOf(loaded), [
    `docker.io/library/app:v1 ${PLAIN.image.id}`,
    `registry.example.com:5000/team/app:v2 ${PLAIN.image.id}`,
  ]);
  const image = await rig.images.find('app:v1');
  assert.equal(image?.config, PLAIN.image.config);
  assert.equal(
    image?.manifest.layers.map((layer) => [layer.mediaType, layer.digest]),
    [
      [MediaType.ociLayer, digestOf('base')],
      [MediaType.ociLayer, digestOf('top')],
    ],
  );
  // Config, manifest, two layers, and nothing of the rest.
  assert.is(rig.content.blobs.size, 4);
});

test('layers that are links to others, as docker save wrote repeated ones', async () => {
  await using rig = await openLoadRig();
  const made = testImage({ layers: ['same', 'same', 'same'], compress: false });
  const items = oldDockerArchive(made, ['app']).filter((item) => !/layer[12]\/layer/.test(item.path));
  items.push({ path: 'layer1/layer.tar', type: 'SymbolicLink', linkpath: '../layer0/layer.tar' });
  items.push({ path: 'layer2/layer.tar', type: 'Link', linkpath: 'layer1/layer.tar' });
  const [loaded] = await rig.loadTar(items);
  assert.is(loaded?.image.id, made.image.id);
  assert.is(rig.content.blobs.size, 3);
});

test('compressed layers, compressed archives, names with ./ in front', async () => {
  for (const compress of ['gzip', 'xz', 'zstd', 'bzip2']) {
    await using rig = await openLoadRig();
    const items = oldDockerArchive(PACKED, ['app']).map((item) => ({ ...item, path: `./${item.path}` }));
    const archive = execFileSync(compress, ['-c'], { input: tarOf(items) });
    const [loaded] = await rig.load({ kind: 'stream', stream: streamOf(archive) });
    assert.is(loaded?.image.id, PACKED.image.id, compress);
    assert.is(loaded?.image.manifest.layers[0]?.mediaType, MediaType.ociLayerGzip);
  }
});

test('an OCI archive keeps its manifests as they are', async () => {
  await using rig = await openLoadRig();
  const other = testImage({ layers: ['other'], docker: true });
  const index = {
    manifests: [
      named(PACKED, {
        'io.containerd.image.name': 'docker.io/library/app:v1',
        'org.opencontainers.image.ref.name': 'v1',
      }),
      named(PACKED, { 'org.opencontainers.image.ref.name': 'example.com/app:v2' }),
      named(other, { 'org.opencontainers.image.ref.name': 'latest' }),
    ],
  };
  const loaded = await rig.loadTar(ociLayout([PACKED, other], index));
  assert.equal(
    loaded.map(({ image }) => image),
    [PACKED.image, other.image],
  );
  assert.equal(namesOf(loaded), [
    `docker.io/library/app:v1 ${PACKED.image.id}`,
    `example.com/app:v2 ${PACKED.image.id}`,
  ]);
  assert.equal(await rig.images.unnamed(), [other.image.target]);
});

test('names of a manifest.json beside an OCI layout count', async () => {
  await using rig = await openLoadRig();
  const config = `blobs/sha256/${PACKED.image.id.slice(7)}`;
  const items = ociLayout([PACKED], { manifests: [PACKED.image.target] });
  items.push({ path: 'manifest.json', content: json([{ Config: config, RepoTags: ['app:v3'], Layers: [] }]) });
  assert.equal(namesOf(await rig.loadTar(items)), [`docker.io/library/app:v3 ${PACKED.image.id}`]);
});

test('of an index of several images the one for the platform is loaded, if it is there', async () => {
  const arm = testImage({ layers: ['arm'], architecture: 'arm64' });
  const inner = json({
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [
      { ...arm.image.target, platform: { os: 'linux', architecture: 'arm64' } },
      { ...PACKED.image.target, platform: AMD64 },
    ],
  });
  const index = { manifests: [{ mediaType: MediaType.ociIndex, digest: digestOf(inner), size: inner.length }] };
  const blob: TarItem = { path: `blobs/sha256/${digestOf(inner).slice(7)}`, content: inner };
  await using rig = await openLoadRig();
  const loaded = await rig.loadTar([blob, ...ociLayout([PACKED, arm], index)]);
  assert.equal(
    loaded.map(({ image }) => image.id),
    [PACKED.image.id],
  );
  assert.is(rig.content.blobs.has(arm.image.id), false);

  await using other = await openLoadRig();
  await rejectsWith('platform-not-found', () => other.loadTar([blob, ...ociLayout([arm], index)]), /"linux\/amd64"/);
  await isUntouched(other);
});

test('an OCI layout directory', async () => {
  await using rig = await openLoadRig();
  const layout = join(rig.dir, 'layout');
  const items = ociLayout([PACKED], {
    manifests: [named(PACKED, { 'io.containerd.image.name': 'docker.io/library/app:v1' })],
  });
  for (const { path, content = '' } of items) {
    await nodeFs.mkdir(dirname(join(layout, path)), { recursive: true });
    await nodeFs.writeFile(join(layout, path), content);
  }
  const loaded = await rig.load({ kind: 'path', path: layout });
  assert.equal(loaded[0]?.image, PACKED.image);
  assert.is(rig.content.blobs.size, 4);
  const damaged = join(layout, 'blobs/sha256', PACKED.layers[0]!.descriptor.digest.slice(7));
  await nodeFs.writeFile(damaged, 'x'.repeat(PACKED.layers[0]!.blob.length));
  await using other = await openLoadRig();
  await rejectsWith('digest-mismatch', () => other.load({ kind: 'path', path: layout }));
  await isUntouched(other);
  await rejectsWith('invalid-archive', () => other.load({ kind: 'path', path: rig.dir }), /not an OCI image layout/);
});

test('an archive file', async () => {
  await using rig = await openLoadRig();
  const path = join(rig.dir, 'a.tar.gz');
  await nodeFs.writeFile(path, gzipSync(tarOf(oldDockerArchive(PLAIN, null))));
  const [loaded] = await rig.load({ kind: 'path', path });
  assert.is(loaded?.image.id, PLAIN.image.id);
  assert.equal(await rig.images.unnamed(), [loaded?.image.target]);
  await rejectsWith('usage', () => rig.load({ kind: 'path', path: join(rig.dir, 'none') }), /there is no such file/);
});

test('several images that share layers', async () => {
  await using rig = await openLoadRig();
  const two = testImage({ layers: ['base', 'two'], compress: false });
  const layer = { path: 'layer9/layer.tar', content: 'two' };
  const configs = [PLAIN, two].map((made) => `${made.image.id.slice(7)}.json`);
  const items = oldDockerArchive(PLAIN, []).filter((item) => item.path !== 'manifest.json');
  const manifest = [
    { Config: configs[0], RepoTags: ['one'], Layers: ['layer0/layer.tar', 'layer1/layer.tar'] },
    { Config: configs[1], RepoTags: ['two', 'one'], Layers: ['layer0/layer.tar', 'layer9/layer.tar'] },
  ];
  items.push(
    layer,
    { path: configs[1]!, content: two.configBytes },
    { path: 'manifest.json', content: json(manifest) },
  );
  await rig.loadTar(items);
  assert.is((await rig.images.find('two'))?.id, two.image.id);
  // The later one of two with the same name.
  assert.is((await rig.images.find('one'))?.id, two.image.id);
  assert.is((await rig.images.find(PLAIN.image.id))?.id, PLAIN.image.id);
});

/** Archives that are refused, each a valid one with something changed. */
const REFUSED: readonly (readonly [
  name: string,
  code: Parameters<typeof rejectsWith>[0],
  items: TarItem[],
  pattern: RegExp,
])[] = [
  ['without a table of contents', 'invalid-archive', [{ path: 'etc/passwd', content: 'root' }], /no "manifest\.json"/],
  ['empty', 'invalid-archive', [], /no "manifest\.json"/],
  ['without images', 'invalid-archive', [{ path: 'manifest.json', content: '[]' }], /no image/],
  ['with a broken table', 'invalid-archive', [{ path: 'manifest.json', content: '{' }], /not JSON/],
  ['with a table of another form', 'invalid-manifest', [{ path: 'manifest.json', content: '{}' }], /want a list/],
  ['with a bad name', 'invalid-archive', oldDockerArchive(PLAIN, ['UPPER']), /"UPPER" is not an image name/],
  [
    'with a layer missing',
    'invalid-archive',
    oldDockerArchive(PLAIN, ['app']).filter((item) => item.path !== 'layer1/layer.tar'),
    /no file "layer1/,
  ],
  [
    'with another layer than the config says',
    'digest-mismatch',
    oldDockerArchive(PLAIN, ['app']).map((item) =>
      item.path === 'layer1/layer.tar' ? { ...item, content: 'TOP' } : item,
    ),
    /its diffID is/,
  ],
  [
    'with another config than its name says',
    'digest-mismatch',
    oldDockerArchive(PLAIN, ['app']).map((item) =>
      item.content === PLAIN.configBytes
        ? { ...item, content: PACKED.configBytes.toString().replace('amd64', 'arm64') }
        : item,
    ),
    /has another digest/,
  ],
  [
    'with a link that leads in a circle',
    'invalid-archive',
    oldDockerArchive(PLAIN, ['app']).map((item) =>
      item.path === 'layer1/layer.tar' ? { path: item.path, type: 'SymbolicLink', linkpath: 'layer.tar' } : item,
    ),
    /leads nowhere/,
  ],
  ['with a path that leads out', 'invalid-archive', [{ path: '../x', content: 'x' }], /leads out of it/],
  [
    'that is an OCI layout of the future',
    'invalid-archive',
    [{ path: 'oci-layout', content: '{"imageLayoutVersion":"2.0.0"}' }],
    /version "2\.0\.0"/,
  ],
  [
    'that is an OCI layout without index',
    'invalid-archive',
    [{ path: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' }],
    /without an "index\.json"/,
  ],
  [
    'that is an OCI layout with a blob under a wrong name',
    'digest-mismatch',
    ociLayout([PACKED], { manifests: [PACKED.image.target] }).map((item) =>
      item.content === PACKED.layers[0]!.blob ? { ...item, content: 'x'.repeat(PACKED.layers[0]!.blob.length) } : item,
    ),
    /not what was announced/,
  ],
  [
    'that is an OCI layout with a blob missing',
    'invalid-archive',
    ociLayout([PACKED], { manifests: [PACKED.image.target] }).filter((item) => item.content !== PACKED.layers[0]!.blob),
    /no blob "sha256/,
  ],
];

for (const [name, code, items, pattern] of REFUSED) {
  test(`an archive ${name} is refused, and nothing of it is kept`, async () => {
    await using rig = await openLoadRig();
    await rejectsWith(code, () => rig.loadTar(items), pattern);
    await isUntouched(rig);
  });
}

test('a compressed layer that is another one when uncompressed is refused', async () => {
  await using rig = await openLoadRig();
  const made = testImage({
    layers: ['base'],
    configExtra: { rootfs: { type: 'layers', diff_ids: [asDiffID(digestOf('else'))] } },
  });
  await rejectsWith(
    'digest-mismatch',
    () => rig.loadTar(ociLayout([made], { manifests: [made.image.target] })),
    /its diffID is/,
  );
  await isUntouched(rig);
});

test('a failed load leaves alone what was in the store before', async () => {
  await using rig = await openLoadRig();
  await rig.content.put(Buffer.from('base'));
  const items = oldDockerArchive(PLAIN, ['app']).filter((item) => item.path !== 'layer1/layer.tar');
  await rejectsWith('invalid-archive', () => rig.loadTar(items));
  assert.equal([...rig.content.blobs.keys()], [digestOf('base')]);
});

test('an archive that ends early is refused', async () => {
  await using rig = await openLoadRig();
  const bytes = gzipSync(tarOf(oldDockerArchive(PLAIN, ['app'])));
  await rejectsWith('invalid-archive', () =>
    rig.load({ kind: 'stream', stream: streamOf(bytes.subarray(0, bytes.length / 2)) }),
  );
  await isUntouched(rig);
});

test('abort ends a load from a silent stream, and nothing is kept', async () => {
  await using rig = await openLoadRig();
  const controller = new AbortController();
  async function* silent(): AsyncGenerator<Uint8Array, void> {
    yield tarOf([{ path: 'layer0/layer.tar', content: 'x'.repeat(5000) }]).subarray(0, 2048);
    controller.abort();
    await new Promise(() => undefined);
  }
  const { content, images } = rig;
  const loading = loadImages(
    { content, images },
    { kind: 'stream', stream: silent() },
    { platform: AMD64, signal: controller.signal },
  );
  await rejectsWith('cancelled', () => loading);
  await isUntouched(rig);
});

test.run();
