import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { Origins, OriginTracker } from '../../src/image/origins.ts';
import type { Image, ImageSource } from '../../src/image/types.ts';
import { formatReference, parseReference } from '../../src/oci/reference.ts';
import type { TestImage } from '../support/images.ts';
import { testImage } from '../support/images.ts';
import { tempDir } from '../support/temp.ts';

const BASE = testImage({ layers: ['base'], compress: false });
const OTHER = testImage({ layers: ['other'], compress: false });
/** As built here: layers of two registries and one of its own. */
const BUILT = testImage({ layers: ['base', 'other', 'own'], compress: false });
const AMD64 = { os: 'linux', architecture: 'amd64' };
const test = suite('image/origins');

interface Rig extends AsyncDisposable {
  readonly origins: Origins;
  readonly tracker: OriginTracker;
  /** `repository layer`, for each layer that was asked for. */
  readonly asked: string[];
}

async function openRig(images: Readonly<Record<string, TestImage>>): Promise<Rig> {
  const dir = await tempDir();
  const asked: string[] = [];
  const source: ImageSource = {
    resolve: async (reference) => images[reference.path]!.image,
    fetchLayers: async (reference, image, { isNeeded }) => {
      for (const [index, layer] of image.manifest.layers.entries()) {
        if ((await isNeeded?.(layer, index)) !== false)
          asked.push(`${reference && formatReference(reference)} ${index}`);
      }
    },
  };
  const origins = new Origins(dir.path);
  return {
    origins,
    tracker: new OriginTracker(origins, source),
    asked,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

async function resolved(rig: Rig, name: string): Promise<Image> {
  return rig.tracker.resolve(parseReference(name), AMD64, {});
}

test('each layer is fetched from where it was seen, whatever the image is called', async () => {
  await using rig = await openRig({ 'team/base': BASE, other: OTHER });
  await resolved(rig, 'one.example.com/team/base:v1');
  await resolved(rig, 'two.example.com/other');
  await rig.tracker.fetchLayers(parseReference('app'), BUILT.image, {});
  assert.equal(rig.asked.sort(), [
    'docker.io/library/app:latest 2',
    'one.example.com/team/base:v1 0',
    'two.example.com/other:latest 1',
  ]);
  rig.asked.length = 0;
  await rig.tracker.fetchLayers(undefined, BUILT.image, { isNeeded: (_, index) => Promise.resolve(index !== 1) });
  assert.equal(rig.asked.sort(), ['one.example.com/team/base:v1 0', 'undefined 2']);
});

test('the newest origin counts, and what is not needed is forgotten', async () => {
  await using rig = await openRig({ base: BASE, other: OTHER });
  for (const name of ['old.example.com/base', 'new.example.com/base', 'x.example.com/other']) await resolved(rig, name);
  assert.is((await rig.origins.find(digestOf('base')))?.domain, 'new.example.com');
  await rig.origins.retain(new Set([digestOf('base')]));
  assert.is((await rig.origins.find(digestOf('base')))?.domain, 'new.example.com');
  assert.is(await rig.origins.find(digestOf('other')), undefined);
});

test.run();
