import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Digest } from '../../src/core/digest.ts';
import { digestOf } from '../../src/core/digest.ts';
import { hostPlatform } from '../../src/core/platform.ts';
import { cacheMapOf } from '../../src/executor/keys.ts';
import { GraphBuilder } from '../../src/solver/graph.ts';
import type { ExecMount, ExecOp, FileOp, Op } from '../../src/solver/op.ts';
import type { CacheMap } from '../../src/solver/types.ts';
import { copyAction, execOp, from } from '../support/executor-rig.ts';

const test = suite('keys');

function map(op: Op, inputs = 0): CacheMap {
  const graph = new GraphBuilder<Op>();
  const local = (at: number) => graph.add({ op: { kind: 'local', name: `l${at}` }, inputs: [], name: '' });
  return cacheMapOf(graph.add({ op, inputs: Array.from({ length: inputs }, (_, at) => local(at)), name: '' }));
}

const uses = (op: Op, inputs: number): string[] => map(op, inputs).inputs.map(({ kind }) => kind);
const run = (change: Partial<ExecOp>): Digest => map({ ...execOp(['x']), ...change }, 1).opDigest;

test('an image is its manifest, whatever it is called', () => {
  const image = (reference: string, text: string): Digest =>
    map({ kind: 'image', reference, manifest: digestOf(text), platform: hostPlatform() }).opDigest;
  assert.is(image('a', '1'), image('mirror/b', '1'));
  assert.is.not(image('a', '1'), image('a', '2'));
});

test('a directory of the client has no keys of its own', () => {
  assert.is(map({ kind: 'local', name: 'context' }).policy, 'source');
});

const CHANGES: readonly (readonly [name: string, change: Partial<ExecOp>])[] = [
  ['arguments', { args: ['y'] }],
  ['the order of variables', { env: ['A=1', 'PATH=/bin'] }],
  ['the directory', { cwd: '/w' }],
  ['the user', { user: 'app' }],
  ['the host name', { hostname: 'other' }],
  ['the network', { network: 'none' }],
  ['names of hosts', { extraHosts: ['db'] }],
  ['the size of /dev/shm', { shmSizeBytes: 1 }],
  ['limits', { ulimits: [{ name: 'nofile', soft: 1, hard: 1 }] }],
  ['the platform', { platform: { os: 'linux', architecture: 'riscv64' } }],
  ['a tmpfs', { mounts: [{ kind: 'tmpfs', target: '/t' }] }],
];

test('everything about a command is in its key, each in its own way', () => {
  const digests = CHANGES.map(([, change]) => run(change));
  assert.is(new Set([run({}), ...digests]).size, CHANGES.length + 1);
});

test('two spellings of a directory are one', () => {
  assert.is(run({ cwd: '/a/b' }), run({ cwd: '/a//b/' }));
  assert.is.not(run({ cwd: '/b' }), run({ cwd: '/a/../b' }));
});

const cache = (rest: Partial<ExecMount & { kind: 'cache' }>): ExecMount => ({
  kind: 'cache',
  target: '/c',
  id: '/c',
  sharing: 'shared',
  readonly: false,
  mode: 0o755,
  uid: 0,
  gid: 0,
  source: '/',
  ...rest,
});

test('how a cache mount is shared counts only under an id of its own', () => {
  const key = (rest: Partial<ExecMount & { kind: 'cache' }>): Digest => run({ mounts: [cache(rest)] });
  assert.is(key({}), key({ sharing: 'locked' }));
  assert.is.not(key({ id: 'x' }), key({ id: 'x', sharing: 'locked' }));
  assert.is.not(key({}), key({ id: 'x' }));
});

test('a root counts as a whole, what is mounted or copied by content', () => {
  const bind = (input: number): ExecMount => ({ kind: 'bind', target: '/m', input, source: '/', readonly: false });
  const op = { ...execOp(['x']), mounts: [bind(1), cache({ input: 2 })] };
  assert.equal(uses(op, 4), ['whole', 'content', 'content', 'none']);
  const file: FileOp = { kind: 'file', actions: [copyAction({ input: 2, selection: from('/x') })] };
  assert.equal(uses(file, 3), ['whole', 'none', 'content']);
  assert.equal(uses({ ...file, linked: true }, 3), ['content', 'none', 'content']);
  assert.is.not(map({ ...file, linked: true }, 3).opDigest, map(file, 3).opDigest, 'its result is the layer alone');
  assert.equal(uses({ kind: 'merge' }, 2), ['whole', 'whole']);
});

test('the destination and every flag of a copy are in its key', () => {
  const key = (action: Parameters<typeof copyAction>[0]): Digest =>
    map({ kind: 'file', actions: [copyAction(action)] }, 2).opDigest;
  const all = [
    key({}),
    key({ destination: '/d' }),
    key({ selection: from('/x') }),
    key({ selection: from('/x', 'y') }),
    key({ owner: { user: '1' } }),
    key({ mode: { kind: 'octal', mode: 1 } }),
    key({ parents: true }),
    key({ unpack: true }),
    key({ resetOwner: false }),
  ];
  assert.is(new Set(all).size, all.length);
});

test.run();
