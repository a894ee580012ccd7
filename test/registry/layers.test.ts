import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import type { Digest } from '../../src/core/digest.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { rejectsWith } from '../support/assert.ts';
import { breakAfter, openFakeRegistry, status } from '../support/fake-registry.ts';
import { testImage } from '../support/images.ts';
import { openRig } from './rig.ts';

const BYTES = Buffer.alloc(100_000, 'layer of some length');
const MADE = testImage({ layers: ['one', BYTES, 'three', 'one'], compress: false });
const LARGE = digestOf(BYTES);
const test = suite('registry/layers');

test('layers that are needed and missing are fetched once, with progress', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  await rig.content.put(Buffer.from('three'));
  const progress = new Map<Digest, readonly [number, number]>();
  await rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {
    onProgress: (digest, current, total) => progress.set(digest, [current, total]),
  });
  assert.equal(
    registry.seen.map((request) => request.url).sort(),
    [digestOf('one'), LARGE].map((digest) => `/v2/app/blobs/${digest}`).sort(),
  );
  assert.is(rig.content.blobs.get(LARGE)?.equals(BYTES), true);
  assert.equal(progress.get(LARGE), [BYTES.length, BYTES.length]);
});

test('layers that are not needed are not fetched', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  await rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {
    isNeeded: (_, index) => Promise.resolve(index === 2),
  });
  assert.equal([...rig.content.blobs.keys()], [digestOf('three')]);
});

test('layers of which nobody knows where they are cannot be fetched', async () => {
  using rig = openRig();
  await rig.content.put(Buffer.from('three'));
  const isThird = (_: unknown, index: number): Promise<boolean> => Promise.resolve(index === 2);
  await rig.source.fetchLayers(undefined, MADE.image, { isNeeded: isThird });
  await rejectsWith(
    'registry-not-found',
    () => rig.source.fetchLayers(undefined, MADE.image, {}),
    /nothing says which/,
  );
});

for (const withoutRanges of [false, true]) {
  test(`a download goes on where it broke off${withoutRanges ? ', also without ranges' : ''}`, async () => {
    await using registry = await openFakeRegistry({ withoutRanges });
    using rig = openRig();
    registry.add('app', 'latest', MADE);
    registry.disturb(new RegExp(LARGE), withoutRanges ? 1 : 6, breakAfter(15_000, BYTES));
    await rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {});
    assert.is(rig.content.blobs.get(LARGE)?.equals(BYTES), true);
    const ranges = registry.seen
      .filter((request) => request.url.includes(LARGE))
      .map((request) => request.headers.range);
    const step = (n: number): string => `bytes=${n * 15_000}-`;
    assert.equal(
      ranges,
      withoutRanges ? [undefined, step(1)] : [undefined, step(1), step(2), step(3), step(4), step(5), step(6)],
    );
  });
}

test('a download that brings nothing any more fails and keeps nothing', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.disturb(new RegExp(LARGE), 1, breakAfter(15_000, BYTES));
  registry.disturb(new RegExp(LARGE), 99, breakAfter(0, BYTES));
  const error = await rejectsWith(
    'download-failed',
    () => rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {}),
    /15000 of 100000 bytes arrived/,
  );
  assert.is(error.exitStatus, 4);
  assert.is(rig.content.blobs.has(LARGE), false);
});

test('a body shorter than announced is fetched further, then given up', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.disturb(new RegExp(LARGE), 99, (request, response) => {
    const offset = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    const part = BYTES.subarray(offset, 60_000);
    response
      .writeHead(offset === 0 ? 200 : 206, { 'content-length': part.length, 'content-range': `bytes ${offset}-` })
      .end(part);
  });
  await rejectsWith(
    'download-failed',
    () => rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {}),
    /60000 of 100000 bytes/,
  );
});

test('a body longer than announced is refused', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.blobs.set(LARGE, Buffer.concat([BYTES, Buffer.from('!')]));
  await rejectsWith('size-mismatch', () =>
    rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {}),
  );
  assert.is(rig.content.blobs.has(LARGE), false);
});

test('a layer with other content is refused, and its neighbours are no longer fetched', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  const made = testImage({ layers: Array.from({ length: 30 }, (_, index) => `layer ${index}`), compress: false });
  registry.add('app', 'latest', made);
  registry.blobs.set(digestOf('layer 0'), Buffer.from('LAYER 0'));
  await rejectsWith('digest-mismatch', () =>
    rig.source.fetchLayers(parseReference(`${registry.host}/app`), made.image, {}),
  );
  assert.ok(registry.seen.length < 20, `${registry.seen.length} requests`);
  assert.is(rig.content.blobs.has(digestOf('layer 0')), false);
});

test('another part than was asked for is refused', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.disturb(new RegExp(LARGE), 1, breakAfter(15_000, BYTES));
  registry.disturb(new RegExp(LARGE), 1, (_, response) =>
    response.writeHead(206, { 'content-range': 'bytes 0-99999/100000' }).end(BYTES),
  );
  await rejectsWith(
    'registry-error',
    () => rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {}),
    /another part/,
  );
});

test('a redirect to another host does not carry the token there', async () => {
  await using registry = await openFakeRegistry();
  await using storage = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  storage.add('app', 'latest', MADE);
  registry.disturb(/blobs/, 1, status(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` }));
  registry.disturb(/token/, 1, (_, response) => response.end('{"token":"secret"}'));
  registry.disturb(/blobs/, 99, (request, response) =>
    response.writeHead(307, { location: `http://${storage.host}${request.url}?sig=x` }).end(),
  );
  await rig.source.fetchLayers(
    parseReference(`${registry.host}/app`),
    testImage({ layers: ['one'], compress: false }).image,
    {},
  );
  assert.is(registry.seen.at(-1)?.headers.authorization, 'Bearer secret');
  assert.is(storage.seen.length, 1);
  assert.is(storage.seen[0]?.headers.authorization, undefined);
});

test('redirects end somewhere, and never where nothing is encrypted', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  const reference = parseReference(`${registry.host}/app`);
  registry.disturb(/blobs/, 1, status(302, { location: 'http://example.com/blob' }));
  await rejectsWith('registry-error', () => rig.source.fetchLayers(reference, MADE.image, {}), /not encrypted/);
  registry.disturb(/./, 999, status(302, { location: '/v2/again/blobs/x' }));
  await rejectsWith('registry-error', () => rig.source.fetchLayers(reference, MADE.image, {}), /more than 10/);
});

test('abort ends downloads and keeps nothing of what was on its way', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.disturb(new RegExp(LARGE), 1, (_, response) => {
    response.writeHead(200, { 'content-length': BYTES.length });
    response.write(BYTES.subarray(0, 5000));
  });
  const controller = new AbortController();
  const fetching = rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {
    signal: controller.signal,
    isNeeded: (_, index) => Promise.resolve(index === 1),
    onProgress: () => controller.abort(),
  });
  await rejectsWith('cancelled', () => fetching);
  assert.is(rig.content.blobs.size, 0);
});

test('a silent connection is given up and another one goes on', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig({ idleTimeoutMs: 50 });
  registry.add('app', 'latest', MADE);
  registry.disturb(new RegExp(LARGE), 1, (_, response) => {
    response.writeHead(200, { 'content-length': BYTES.length });
    response.write(BYTES.subarray(0, 5000));
  });
  await rig.source.fetchLayers(parseReference(`${registry.host}/app`), MADE.image, {});
  assert.is(rig.content.blobs.get(LARGE)?.equals(BYTES), true);
});

test.run();
