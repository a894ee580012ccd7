import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { MediaType } from '../../src/oci/types.ts';
import { rejectsWith } from '../support/assert.ts';
import { json, testImage } from '../support/images.ts';
import { openRealRegistry, registryMissing } from '../support/registry.ts';
import { AMD64, openRig } from './rig.ts';

const test = suite('registry against docker-registry');
const missing = registryMissing();
if (missing !== undefined) console.error(`SKIPPED registry against docker-registry: ${missing}`);

function onlyWithRegistry(name: string, body: () => Promise<void>): void {
  if (missing === undefined) test(name, body);
  else test.skip(name, body);
}

for (const docker of [false, true]) {
  onlyWithRegistry(`an image of ${docker ? 'Docker' : 'OCI'} media types is pulled by tag and by digest`, async () => {
    await using registry = await openRealRegistry();
    using rig = openRig();
    const made = testImage({ layers: ['one', 'two', Buffer.alloc(3_000_000, 7), 'four'], docker });
    await registry.push('team/app', 'v1', made);
    const reference = parseReference(`${registry.host}/team/app:v1`);
    const image = await rig.source.resolve(reference, AMD64, {});
    assert.equal(image, made.image);
    await rig.source.fetchLayers(reference, image, {});
    for (const layer of made.layers) assert.ok(rig.content.blobs.get(layer.descriptor.digest)?.equals(layer.blob));

    using other = openRig();
    const pinned = parseReference(`${registry.host}/team/app@${image.target.digest}`);
    assert.equal(await other.source.resolve(pinned, AMD64, {}), made.image);
  });
}

onlyWithRegistry('an index is resolved to the image for the platform', async () => {
  await using registry = await openRealRegistry();
  using rig = openRig();
  const images = ['amd64', 'arm64'].map((architecture) => testImage({ layers: [architecture], architecture }));
  for (const made of images) await registry.push('app', made.image.config.architecture, made);
  const manifests = images.map((made) => ({
    ...made.image.target,
    platform: { os: 'linux', architecture: made.image.config.architecture },
  }));
  await registry.pushManifest(
    'app',
    'latest',
    json({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }),
    MediaType.ociIndex,
  );
  const image = await rig.source.resolve(
    parseReference(`${registry.host}/app`),
    { os: 'linux', architecture: 'arm64' },
    {},
  );
  assert.equal(image, images[1]?.image);
});

onlyWithRegistry('what is not there is not found', async () => {
  await using registry = await openRealRegistry();
  using rig = openRig();
  await registry.push('app', 'v1', testImage({ layers: ['one'] }));
  for (const name of ['app:v2', 'other', `app@${digestOf('x')}`]) {
    await rejectsWith(
      'registry-not-found',
      () => rig.source.resolve(parseReference(`${registry.host}/${name}`), AMD64, {}),
      /unknown/,
    );
  }
});

test.run();
