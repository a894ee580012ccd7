import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { createResultCodec } from '../../src/executor/codec.ts';
import type { BuildResult } from '../../src/executor/types.ts';
import type { Snapshot, SnapshotId } from '../../src/snapshot/types.ts';
import { ToyTree } from '../support/toy-tree.ts';

const test = suite('result codec');

const id = (text: string): SnapshotId => text as SnapshotId;
const stored = new Set(['a1', 'b2']);
const codec = createResultCodec({
  get: async (wanted): Promise<Snapshot | undefined> =>
    stored.has(wanted)
      ? { id: wanted, dir: `/${wanted}`, createdAtMs: 0, opaqueDirs: [], xattrs: new Map() }
      : undefined,
});

const ROUND_TRIPS: readonly BuildResult[] = [
  { kind: 'layers', layers: [] },
  { kind: 'layers', layers: [id('a1'), id('b2')] },
  { kind: 'image', reference: 'docker.io/library/busybox:latest', manifest: digestOf('m') },
];

for (const result of ROUND_TRIPS) {
  test(`comes back: ${JSON.stringify(result)}`, async () => {
    assert.equal(await codec.decode(JSON.parse(JSON.stringify(codec.encode(result)))), result);
  });
}

test('a result whose layers are gone is a miss', async () => {
  assert.is(await codec.decode({ kind: 'layers', layers: ['a1', 'gone'] }), undefined);
});

const FOREIGN: readonly unknown[] = [
  null,
  'layers',
  {},
  { kind: 'layers' },
  { kind: 'layers', layers: ['../x'] },
  { kind: 'layers', layers: [1] },
  { kind: 'image', reference: 'x', manifest: 'sha256:short' },
  { kind: 'image', manifest: digestOf('m') },
  { kind: 'local' },
];

for (const data of FOREIGN) {
  test(`is not understood: ${JSON.stringify(data)}`, async () => {
    assert.is(await codec.decode(data), undefined);
    assert.equal(codec.references(data), []);
  });
}

test('a result keeps its layers from being pruned', () => {
  assert.equal(codec.references({ kind: 'layers', layers: ['a1', 'gone'] }), ['a1', 'gone']);
});

test('a directory of the client is never stored', () => {
  assert.throws(() => codec.encode({ kind: 'local', tree: new ToyTree() }), /cannot be stored/);
});

test.run();
