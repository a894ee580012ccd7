import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { MAX_MANIFEST_BYTES, parseConfig, parseDocument, parseIndex, parseManifest } from '../../src/oci/validate.ts';
import { MediaType } from '../../src/oci/types.ts';
import { throwsWith } from '../support/assert.ts';
import { json, testImage } from '../support/images.ts';

const DIGEST = digestOf('x');
const CONFIG = { mediaType: MediaType.ociConfig, digest: DIGEST, size: 7 };
const LAYER = { mediaType: MediaType.ociLayerGzip, digest: DIGEST, size: 9 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER] };
const IMAGE = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [DIGEST] } };

const test = suite('image/validate');

test('manifests of both families are read', () => {
  for (const docker of [false, true]) {
    const made = testImage({ layers: ['a', 'b'], docker });
    assert.equal(parseManifest(made.manifestBytes), made.image.manifest);
    assert.equal(parseConfig(made.configBytes, made.image.manifest), made.image.config);
  }
});

test('a document without media type is told by its fields', () => {
  assert.is(parseDocument(json(MANIFEST)).kind, 'manifest');
  assert.is(parseDocument(json({ schemaVersion: 2, manifests: [] })).kind, 'index');
  throwsWith('invalid-manifest', () => parseIndex(json(MANIFEST)), /an image, not an index/);
  throwsWith('invalid-manifest', () => parseManifest(json({ schemaVersion: 2, manifests: [] })), /an index of images/);
});

test('an index keeps platforms and annotations', () => {
  const entry = {
    ...LAYER,
    mediaType: MediaType.ociManifest,
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  };
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [{ ...entry, annotations: { a: 'b' } }] };
  assert.equal(parseIndex(json(index)), index);
});

const BAD_MANIFESTS: readonly (readonly [unknown, RegExp])[] = [
  [[], /Cannot use manifest: want an object, got a list/],
  [{ ...MANIFEST, schemaVersion: 1 }, /schema 1/],
  [{ ...MANIFEST, schemaVersion: '2' }, /manifest\.schemaVersion: want 2, got "2"/],
  [{ ...MANIFEST, manifests: [] }, /both an image and an index/],
  [{ ...MANIFEST, mediaType: 'text/html' }, /"text\/html", which is neither/],
  [
    { ...MANIFEST, mediaType: MediaType.ociIndex, layers: null, config: null, manifests: {} },
    /manifest\.manifests: want a list/,
  ],
  [{ schemaVersion: 2, layers: [] }, /manifest\.config: want a value, got nothing/],
  [{ ...MANIFEST, layers: null }, /manifest\.layers: want a value/],
  [
    { ...MANIFEST, config: { ...CONFIG, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
    /not a container image/,
  ],
  [{ ...MANIFEST, layers: [{ ...LAYER, digest: 'sha256:ABC' }] }, /manifest\.layers\[0\]\.digest: want "sha256:"/],
  [{ ...MANIFEST, layers: [{ ...LAYER, digest: '../../etc/passwd' }] }, /layers\[0\]\.digest/],
  [
    { ...MANIFEST, layers: [LAYER, { ...LAYER, size: -1 }] },
    /manifest\.layers\[1\]\.size: want a whole number, got -1/,
  ],
  [{ ...MANIFEST, layers: [{ ...LAYER, size: 1.5 }] }, /size/],
  [{ ...MANIFEST, layers: [{ ...LAYER, urls: 'http:' }] }, /urls: want a list/],
  [{ ...MANIFEST, layers: ['x'] }, /layers\[0\]: want an object, got "x"/],
];

for (const [document, pattern] of BAD_MANIFESTS) {
  test(`a bad manifest is refused: ${pattern.source}`, () => {
    throwsWith('invalid-manifest', () => parseDocument(json(document)), pattern);
  });
}

test('limits hold', () => {
  throwsWith('limit-exceeded', () => parseDocument(Buffer.alloc(MAX_MANIFEST_BYTES + 1, ' ')));
  throwsWith(
    'limit-exceeded',
    () => parseDocument(json({ ...MANIFEST, layers: Array(501).fill(LAYER) })),
    /501 elements/,
  );
  throwsWith('limit-exceeded', () => parseDocument(json({ schemaVersion: 2, manifests: Array(1001).fill(LAYER) })));
  throwsWith('invalid-manifest', () => parseDocument(Buffer.from('['.repeat(1_000_000))), /not JSON/);
});

test('encrypted layers are refused', () => {
  const layer = { ...LAYER, mediaType: `${MediaType.ociLayerGzip}+encrypted` };
  throwsWith('unsupported-feature', () => parseManifest(json({ ...MANIFEST, layers: [layer] })), /encrypted/);
});

test('what Go writes as null is absent', () => {
  const container = {
    Env: null,
    Cmd: ['sh'],
    Entrypoint: null,
    Labels: null,
    Volumes: null,
    OnBuild: null,
    ExposedPorts: null,
  };
  const config = parseConfig(json({ ...IMAGE, config: container, history: null, created: null, variant: '' }));
  assert.equal(config, { ...IMAGE, config: { Cmd: ['sh'] } });
  assert.equal(parseConfig(json({ ...IMAGE, rootfs: { type: 'layers', diff_ids: null } })).rootfs.diff_ids, []);
});

test('a full config is kept, unknown fields are not', () => {
  const container = {
    User: 'u',
    ExposedPorts: { '80/tcp': {} },
    Env: ['A=b'],
    Entrypoint: ['/e'],
    Cmd: ['c'],
    Volumes: { '/v': {} },
    WorkingDir: '/w',
    Labels: { ['__proto__']: 'label' },
    StopSignal: 'SIGQUIT',
    ArgsEscaped: true,
    Healthcheck: { Test: ['CMD', 'x'], Interval: 30_000_000_000, Retries: 3 },
    OnBuild: ['RUN x'],
    Shell: ['/bin/bash', '-c'],
  };
  const config = parseConfig(json({ ...IMAGE, config: { ...container, Hostname: 'h' }, docker_version: '1' }));
  assert.equal(config, { ...IMAGE, config: container });
  assert.equal(Object.keys(config.config?.Labels ?? {}), ['__proto__']);
});

const BAD_CONFIGS: readonly (readonly [unknown, RegExp])[] = [
  [{ ...IMAGE, rootfs: undefined }, /config\.rootfs: want a value/],
  [{ ...IMAGE, rootfs: { type: 'files' } }, /rootfs\.type: want "layers"/],
  [{ ...IMAGE, architecture: 7 }, /architecture: want a string/],
  [{ ...IMAGE, created: 'yesterday' }, /created: want a time/],
  [{ ...IMAGE, config: { Env: ['A=b', 1] } }, /config\.Env\[1\]: want a string, got 1/],
  [{ ...IMAGE, config: { Labels: { a: [] } } }, /Labels\["a"\]: want a string/],
  [{ ...IMAGE, config: { Healthcheck: { Interval: 'x' } } }, /Healthcheck\.Interval/],
  [{ ...IMAGE, history: [{}, {}] }, /history tells of 2 layers, but rootfs\.diff_ids names 1/],
  [{ ...IMAGE, history: [{ empty_layer: 'no' }] }, /history\[0\]\.empty_layer: want true or false/],
];

for (const [document, pattern] of BAD_CONFIGS) {
  test(`a bad config is refused: ${pattern.source}`, () => {
    throwsWith('invalid-manifest', () => parseConfig(json(document)), pattern);
  });
}

test('config and manifest have to agree on the layers', () => {
  const manifest = parseManifest(json({ ...MANIFEST, layers: [LAYER, LAYER] }));
  throwsWith('invalid-manifest', () => parseConfig(json(IMAGE), manifest), /names 1 layers, but the manifest has 2/);
});

test('bytes that are not UTF-8 are refused', () => {
  throwsWith('invalid-manifest', () => parseConfig(Buffer.from([0x7b, 0xff, 0x7d])), /not JSON/);
});

test('any JSON either parses or fails as a user error', () => {
  const parsers = [parseDocument, parseConfig];
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(...parsers), (text, parse) => {
      try {
        parse(Buffer.from(text));
      } catch (error) {
        assert.instance(error, BuildError);
      }
    }),
    { numRuns: 200 },
  );
});

test.run();
