import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { MAX_MANIFEST_BYTES } from '../../src/oci/validate.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { MediaType } from '../../src/oci/types.ts';
import { rejectsWith } from '../support/assert.ts';
import { openFakeRegistry, sendError, status } from '../support/fake-registry.ts';
import { descriptorOfBytes, json, testImage } from '../support/images.ts';
import { AMD64, openRig } from './rig.ts';

const MADE = testImage({ layers: ['one', 'two'], config: { Cmd: ['sh'] } });
const test = suite('registry/resolve');

test('a tag resolves to manifest and config, and nothing else is fetched', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('team/app', 'v1', MADE);
  const image = await rig.source.resolve(parseReference(`${registry.host}/team/app:v1`), AMD64, {});
  assert.equal(image, MADE.image);
  assert.equal([...rig.content.blobs.keys()], [MADE.image.id, MADE.image.target.digest]);
  assert.equal(
    registry.seen.map(({ method, url }) => `${method} ${url}`),
    ['HEAD /v2/team/app/manifests/v1', 'GET /v2/team/app/manifests/v1', `GET /v2/team/app/blobs/${MADE.image.id}`],
  );
});

test('what is stored already is only asked for its digest', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  const reference = parseReference(`${registry.host}/app`);
  await rig.source.resolve(reference, AMD64, {});
  registry.seen.length = 0;
  await rig.source.resolve(reference, AMD64, {});
  assert.equal(
    registry.seen.map(({ method }) => method),
    ['HEAD'],
  );
});

test('a digest that is stored already is not asked for at all', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  const reference = parseReference(`${registry.host}/app@${MADE.image.target.digest}`);
  await rig.source.resolve(reference, AMD64, {});
  registry.seen.length = 0;
  assert.equal(await rig.source.resolve(reference, AMD64, {}), MADE.image);
  assert.equal(registry.seen, []);
});

test('a registry without HEAD is asked with GET', async () => {
  await using registry = await openFakeRegistry({ withoutHead: true });
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  assert.equal(await rig.source.resolve(parseReference(`${registry.host}/app`), AMD64, {}), MADE.image);
});

test('an index leads to the best image for the platform', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  const images = (
    [
      ['amd64', undefined],
      ['arm', 'v6'],
      ['arm', 'v7'],
      ['arm64', 'v8'],
    ] as const
  ).map(([architecture, variant]) => testImage({ layers: [architecture], architecture, ...(variant && { variant }) }));
  const manifests = images.map((made) => {
    registry.add('app', `only-${made.image.target.digest.slice(7, 12)}`, made);
    const { architecture, variant } = made.image.config;
    return { ...made.image.target, platform: { os: 'linux', architecture, ...(variant !== undefined && { variant }) } };
  });
  const attestation = { ...manifests[0], digest: digestOf('x'), platform: { os: 'unknown', architecture: 'unknown' } };
  const index = json({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [attestation, ...manifests] });
  registry.addManifest('app', 'latest', index, MediaType.ociIndex);
  const outer = json({
    schemaVersion: 2,
    manifests: [{ ...descriptorOfBytes(MediaType.ociIndex, index), platform: AMD64 }],
  });
  registry.addManifest('app', 'outer', outer, MediaType.ociIndex);

  const resolve = (name: string, architecture: string, variant?: string): Promise<string> =>
    rig.source
      .resolve(
        parseReference(`${registry.host}/${name}`),
        { os: 'linux', architecture, ...(variant !== undefined && { variant }) },
        {},
      )
      .then((image) => `${image.config.architecture}${image.config.variant ?? ''}`);
  assert.is(await resolve('app', 'amd64'), 'amd64');
  assert.is(await resolve('app', 'arm64'), 'arm64v8');
  assert.is(await resolve('app', 'arm', 'v7'), 'armv7');
  assert.is(await resolve('app', 'arm', 'v6'), 'armv6');
  assert.is(await resolve('app:outer', 'amd64'), 'amd64');
  assert.ok(rig.content.blobs.has(digestOf(index)), 'the index is kept');
  const error = await rejectsWith('platform-not-found', () => resolve('app', 's390x'), /"linux\/s390x"/);
  assert.is(error.hint, 'It has images for: "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"');
});

test('indexes within indexes end somewhere', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'inner', MADE);
  let entry: object = MADE.image.target;
  for (let depth = 0; depth < 4; depth++) {
    const index = json({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [{ ...entry, platform: AMD64 }] });
    registry.addManifest('app', 'latest', index, MediaType.ociIndex);
    entry = descriptorOfBytes(MediaType.ociIndex, index);
  }
  await rejectsWith(
    'limit-exceeded',
    () => rig.source.resolve(parseReference(`${registry.host}/app`), AMD64, {}),
    /nested/,
  );
});

test('content with another digest is refused and not kept, wherever it is', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  const { target, id } = MADE.image;
  const reference = parseReference(`${registry.host}/app`);
  const pinned = parseReference(`${registry.host}/app@${target.digest}`);
  const other = testImage({ layers: ['other'] });
  registry.manifests.set(`app@${target.digest}`, { bytes: other.manifestBytes, mediaType: MediaType.ociManifest });
  await rejectsWith('digest-mismatch', () => rig.source.resolve(pinned, AMD64, {}), /announces it as/);

  registry.disturb(/^GET .*manifests/, 1, (_, response) =>
    response
      .writeHead(200, { 'content-type': MediaType.ociManifest, 'docker-content-digest': digestOf('else') })
      .end(MADE.manifestBytes),
  );
  await rejectsWith('digest-mismatch', () => rig.source.resolve(reference, AMD64, {}));

  registry.blobs.set(id, Buffer.from('{}'));
  await rejectsWith('digest-mismatch', () => rig.source.resolve(reference, AMD64, {}), /the config of image/);
  assert.is(rig.content.blobs.size, 0);
});

test('documents that make no sense are refused and not kept', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  const resolve = (tag: string): Promise<unknown> =>
    rig.source.resolve(parseReference(`${registry.host}/app:${tag}`), AMD64, {});
  const manifest = MADE.image.manifest;
  const chart = { ...manifest, config: { ...manifest.config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } };
  registry.addManifest('app', 'chart', json(chart), MediaType.ociManifest);
  registry.addManifest('app', 'text', Buffer.from('hello'), MediaType.ociManifest);
  registry.addManifest('app', 'html', Buffer.from('<html>'), 'text/html; charset=utf-8');
  const prettyjws = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
  registry.addManifest('app', 'old', json({ schemaVersion: 1 }), prettyjws);
  registry.addManifest('app', 'older', json({ schemaVersion: 1, fsLayers: [] }), 'application/json');
  registry.addManifest('app', 'large', Buffer.alloc(MAX_MANIFEST_BYTES + 1, ' '), MediaType.ociManifest);
  registry.addManifest(
    'app',
    'config',
    json({ ...manifest, config: { ...manifest.config, size: 1e9 } }),
    MediaType.ociManifest,
  );
  await rejectsWith('invalid-manifest', () => resolve('chart'), /not a container image/);
  await rejectsWith('invalid-manifest', () => resolve('text'), /not JSON/);
  await rejectsWith('registry-error', () => resolve('html'), /"text\/html" instead of a manifest/);
  await rejectsWith('invalid-manifest', () => resolve('old'), /schema 1/);
  await rejectsWith('invalid-manifest', () => resolve('older'), /schema 1/);
  await rejectsWith('limit-exceeded', () => resolve('large'));
  await rejectsWith('limit-exceeded', () => resolve('config'), /1000000000 bytes/);
  assert.is(rig.content.blobs.size, 0);
});

test('a document of a vague type says itself what it is', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.addManifest('app', 'latest', MADE.manifestBytes, 'application/json');
  assert.equal(await rig.source.resolve(parseReference(`${registry.host}/app`), AMD64, {}), MADE.image);
});

test('what is not there is not found', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  const error = await rejectsWith(
    'registry-not-found',
    () => rig.source.resolve(parseReference(`${registry.host}/app:v1`), AMD64, {}),
    /Cannot find image "127\.0\.0\.1:\d+\/app:v1" on "127\.0\.0\.1:\d+": manifest unknown/,
  );
  assert.is(error.exitStatus, 4);
});

test("the registry's reason is told, without control characters", async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.disturb(/manifests/, 9, (_, response) => sendError(response, 403, 'DENIED', 'not\u001b[31m yours\n'));
  await rejectsWith(
    'registry-denied',
    () => rig.source.resolve(parseReference(`${registry.host}/app`), AMD64, {}),
    /denies access: not \[31m yours$/,
  );
});

test('overload passes, and what the registry asks for is waited', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'latest', MADE);
  registry.disturb(/^HEAD/, 1, status(429, { 'retry-after': '7' }));
  registry.disturb(/^HEAD/, 1, status(500));
  registry.disturb(/^HEAD/, 1, status(503, { 'retry-after': new Date(9000).toUTCString() }));
  registry.disturb(/blobs/, 1, (_, response) => void response.destroy());
  assert.equal(await rig.source.resolve(parseReference(`${registry.host}/app`), AMD64, {}), MADE.image);
  assert.equal(rig.waitsMs, [7000, 1000, 9000, 500]);
});

test('overload that does not pass is an error', async () => {
  await using registry = await openFakeRegistry({ withoutHead: true });
  using rig = openRig();
  const reference = parseReference(`${registry.host}/app`);
  registry.disturb(/^GET/, 5, status(502));
  await rejectsWith('registry-error', () => rig.source.resolve(reference, AMD64, {}), /status 502/);
  assert.equal(rig.waitsMs, [500, 1000, 2000, 4000]);
  registry.disturb(/^GET/, 1, (_, response) =>
    sendError(response, 429, 'TOOMANYREQUESTS', 'pull rate limit', { 'retry-after': '3600' }),
  );
  await rejectsWith(
    'registry-error',
    () => rig.source.resolve(reference, AMD64, {}),
    /refuses more requests for now: pull rate limit/,
  );
});

test('abort ends a wait and a request', async () => {
  await using registry = await openFakeRegistry();
  const reference = parseReference(`${registry.host}/app`);
  const controller = new AbortController();
  using rig = openRig();
  registry.disturb(/^HEAD/, 1, () => controller.abort());
  await rejectsWith('cancelled', () => rig.source.resolve(reference, AMD64, { signal: controller.signal }));
  await rejectsWith('cancelled', () => rig.source.resolve(reference, AMD64, { signal: controller.signal }));

  const waiting = new AbortController();
  using patient = openRig({
    sleep: (_, signal) => (waiting.abort(), new Promise((__, reject) => reject(signal?.reason as Error))),
  });
  registry.disturb(/^HEAD/, 1, status(503));
  let code = '';
  await patient.source
    .resolve(reference, AMD64, { signal: waiting.signal })
    .catch((error: unknown) => (code = String(error)));
  assert.match(code, /abort/i);
});

test.run();
