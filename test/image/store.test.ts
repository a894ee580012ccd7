import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContentStore } from '../../src/content/types.ts';
import { hexOf } from '../../src/core/digest.ts';
import { openImageStore } from '../../src/image/store.ts';
import type { Image, ImageStore } from '../../src/image/types.ts';
import { BuildError } from '../../src/core/errors.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { rejectsWith } from '../support/assert.ts';
import { failingFs } from '../support/failing-fs.ts';
import { storeTestImage, testImage } from '../support/images.ts';
import { memoryContent } from '../support/memory-content.ts';
import { tempDir } from '../support/temp.ts';

interface Rig extends AsyncDisposable {
  readonly root: string;
  readonly content: ContentStore & { readonly blobs: Map<string, Buffer> };
  readonly store: ImageStore;
  add(label: string): Promise<Image>;
}

async function openRig(): Promise<Rig> {
  const dir = await tempDir();
  const content = memoryContent();
  let clock = 1000;
  return {
    root: dir.path,
    content,
    store: openImageStore(dir.path, { content, now: () => clock++ }),
    add: (label) => storeTestImage(content, testImage({ layers: [label] }), false),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const APP = parseReference('app');
const OTHER = parseReference('ghcr.io/team/other:v1');

const test = suite('image/store');

test('an empty store has no names and creates nothing', async () => {
  await using rig = await openRig();
  assert.equal(await rig.store.names(), []);
  assert.equal(await rig.store.unnamed(), []);
  assert.equal(await rig.store.find('app'), undefined);
  assert.equal(await rig.store.find('abcd'), undefined);
  assert.equal(await rig.store.removeName(APP), false);
  assert.equal(await nodeFs.readdir(rig.root), []);
});

test('a name is kept in full form, sorted, with its time', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  await rig.store.setName(OTHER, image.target);
  await rig.store.setName(APP, image.target);
  assert.equal(await rig.store.names(), [
    { name: 'docker.io/library/app:latest', target: image.target, updatedAtMs: 1001 },
    { name: 'ghcr.io/team/other:v1', target: image.target, updatedAtMs: 1000 },
  ]);
  assert.is((await rig.store.resolveName(APP))?.target.digest, image.target.digest);
});

test('an image is found by name, familiar or full, ID, prefix and manifest digest', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  await rig.store.setName(APP, image.target);
  const hex = hexOf(image.id);
  const keys = ['app', 'app:latest', 'docker.io/library/app', image.id, hex, hex.slice(0, 12), hex.slice(0, 4)];
  keys.push(`sha256:${hex.slice(0, 7)}`, image.target.digest, `app@${image.target.digest}`);
  for (const key of keys) assert.is((await rig.store.find(key))?.id, image.id, key);
  for (const key of ['ap', 'app:v2', hex.slice(0, 3), `other@${image.target.digest}`, `sha256:${'0'.repeat(64)}`]) {
    assert.is(await rig.store.find(key), undefined, key);
  }
});

test('a name wins over an ID that begins with it', async () => {
  await using rig = await openRig();
  const [one, two] = [await rig.add('one'), await rig.add('two')];
  const prefix = hexOf(one.id).slice(0, 8);
  await rig.store.addUnnamed(one.target);
  assert.is((await rig.store.find(prefix))?.id, one.id);
  await rig.store.setName(parseReference(prefix), two.target);
  assert.is((await rig.store.find(prefix))?.id, two.id);
  assert.is((await rig.store.find(`sha256:${prefix}`))?.id, one.id);
});

test('a prefix of several IDs is refused', async () => {
  await using rig = await openRig();
  // Of 70,000 IDs some share their first four digits; 1,500 are enough to expect it.
  const byPrefix = new Map<string, number>();
  for (let i = 0; i < 1500; i++) {
    const made = testImage({ layers: [`layer ${i}`] });
    const prefix = hexOf(made.image.id).slice(0, 4);
    const first = byPrefix.get(prefix);
    byPrefix.set(prefix, i);
    if (first === undefined) continue;
    for (const index of [first, i]) await rig.store.addUnnamed((await rig.add(`layer ${index}`)).target);
    await rejectsWith('invalid-reference', () => rig.store.find(prefix), /2 image IDs begin with it/);
    return;
  }
  assert.unreachable('no two IDs share four digits');
});

test('a name that moves leaves its former image unnamed', async () => {
  await using rig = await openRig();
  const [one, two] = [await rig.add('one'), await rig.add('two')];
  await rig.store.setName(APP, one.target);
  await rig.store.setName(APP, two.target);
  assert.equal(await rig.store.unnamed(), [one.target]);
  assert.is((await rig.store.find(one.id))?.id, one.id);
  await rig.store.setName(OTHER, one.target);
  assert.equal(await rig.store.unnamed(), []);
});

test('an image with another name does not become unnamed', async () => {
  await using rig = await openRig();
  const [one, two] = [await rig.add('one'), await rig.add('two')];
  await rig.store.setName(APP, one.target);
  await rig.store.setName(OTHER, one.target);
  await rig.store.setName(APP, two.target);
  assert.equal(await rig.store.unnamed(), []);
});

test('setting what is set writes nothing', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  await rig.store.setName(APP, image.target);
  const [file = ''] = await nodeFs.readdir(join(rig.root, 'images/names'));
  const before = await nodeFs.stat(join(rig.root, 'images/names', file));
  await rig.store.setName(APP, image.target);
  const after = await nodeFs.stat(join(rig.root, 'images/names', file));
  assert.is(after.ino, before.ino);
  assert.is((await rig.store.resolveName(APP))?.updatedAtMs, 1000);
});

test('a name with a digest is one name whatever its tag', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  const digest = image.target.digest;
  await rig.store.setName(parseReference(`app:v1@${digest}`), image.target);
  assert.equal(
    (await rig.store.names()).map((name) => name.name),
    [`docker.io/library/app@${digest}`],
  );
  assert.is((await rig.store.find(`app:v2@${digest}`))?.id, image.id);
});

test('the longest name allowed is a name', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  const reference = parseReference(`example.com/${'a'.repeat(243)}:${'t'.repeat(128)}`);
  await rig.store.setName(reference, image.target);
  assert.is((await rig.store.resolveName(reference))?.target.digest, image.target.digest);
});

test('unnamed images are kept and forgotten', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  await rig.store.addUnnamed(image.target);
  await rig.store.addUnnamed(image.target);
  assert.equal(await rig.store.unnamed(), [image.target]);
  await rig.store.removeUnnamed(image.target.digest);
  await rig.store.removeUnnamed(image.target.digest);
  assert.equal(await rig.store.unnamed(), []);
});

test('an image with a missing part is corrupt by name and overlooked by ID', async () => {
  await using rig = await openRig();
  const [one, two] = [await rig.add('one'), await rig.add('two')];
  await rig.store.setName(APP, one.target);
  await rig.store.setName(OTHER, two.target);
  rig.content.blobs.delete(one.id);
  await rejectsWith('store-corrupt', () => rig.store.find('app'));
  assert.is(await rig.store.find(one.id), undefined);
  assert.is((await rig.store.find(two.id))?.id, two.id);
});

test('a damaged name file is corrupt, not a miss', async () => {
  await using rig = await openRig();
  const image = await rig.add('one');
  await rig.store.setName(APP, image.target);
  const [file = ''] = await nodeFs.readdir(join(rig.root, 'images/names'));
  await nodeFs.writeFile(join(rig.root, 'images/names', file), '{"name":');
  await rejectsWith('store-corrupt', () => rig.store.names(), new RegExp(file));
});

test('a write that fails leaves every name at one image or the other, and none lost', async () => {
  for (let failAt = 1; ; failAt++) {
    await using rig = await openRig();
    const [one, two] = [await rig.add('one'), await rig.add('two')];
    await rig.store.setName(APP, one.target);
    const faulty = failingFs(failAt, 'ENOSPC', ['mkdir', 'open', 'rename', 'write', 'sync']);
    const store = openImageStore(rig.root, { content: rig.content, fs: faulty.fs });
    let code = '';
    await store
      .setName(APP, two.target)
      .catch((error: unknown) => (code = error instanceof BuildError ? error.code : String(error)));
    if (!faulty.hasFailed()) {
      assert.ok(failAt > 10, `only ${failAt - 1} calls were made to fail`);
      return;
    }
    assert.is(code, 'store-full');
    const now = (await rig.store.resolveName(APP))?.target.digest;
    assert.ok(now === one.target.digest || now === two.target.digest);
    assert.is((await rig.store.find(one.id))?.id, one.id);
    await store.setName(APP, two.target);
    assert.is((await rig.store.find('app'))?.id, two.id);
    assert.equal(await rig.store.unnamed(), [one.target]);
    assert.equal(await nodeFs.readdir(join(rig.root, 'images/ingest')), []);
  }
});

test.run();
