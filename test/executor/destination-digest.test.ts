import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Digest } from '../../src/core/digest.ts';
import { destinationDigest } from '../../src/executor/destination-digest.ts';
import { ResultReader } from '../../src/executor/results.ts';
import { GraphBuilder } from '../../src/solver/graph.ts';
import type { CopyAction, FileOp, Op } from '../../src/solver/op.ts';
import { rejectsWith } from '../support/assert.ts';
import type { Made } from '../support/executor-rig.ts';
import { copyAction, ExecutorRig, from, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tarOf } from '../support/tars.ts';

const suiteOfDestinations = suite('what a linked copy depends on');
const test = privileged(suiteOfDestinations);

type Fill = (dir: string) => void;

const copyOf = (action: Partial<CopyAction>): FileOp & { linked: true } => ({
  kind: 'file',
  actions: [copyAction(action)],
  linked: true,
});

/** The digests that one linked copy of `source` has on each base. */
async function digests(rig: ExecutorRig, source: Fill, action: Partial<CopyAction>, bases: readonly Fill[]) {
  const reader = new ResultReader(rig.deps);
  const graph = new GraphBuilder<Op>();
  const op = copyOf(action);
  const copied = await rig.layer(source);
  const found: Digest[] = [];
  for (const fill of bases) {
    const base = await rig.layer(fill);
    const vertex = graph.add({ op, inputs: [base.vertex, copied.vertex], name: 'copy' });
    const context = rig.context(vertex, new AbortController().signal);
    found.push(await destinationDigest(vertex, op, [base.result, copied.result], reader, context));
  }
  return found;
}

const FILE: Fill = (dir) => writeFileSync(join(dir, 'file'), 'x');
const NONE: Fill = () => undefined;

function directory(path: string, mode = 0o755, owner = 0): Fill {
  return (dir) => {
    mkdirSync(join(dir, path), { recursive: true });
    chmodSync(join(dir, path), mode);
    chownSync(join(dir, path), owner, owner);
  };
}

const both =
  (...fills: readonly Fill[]): Fill =>
  (dir) => {
    for (const fill of fills) fill(dir);
  };

const text =
  (path: string, content: string): Fill =>
  (dir) => {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), content);
  };

test('what is beside the destination does not count', async () => {
  await using rig = await ExecutorRig.open();
  const [one, ...others] = await digests(rig, FILE, { selection: from('/file'), destination: '/a/b/file' }, [
    directory('a'),
    both(directory('a'), directory('other', 0o700), text('a/beside', 'x')),
    both(directory('a'), text('etc/passwd', 'app:x:7:8::/:/bin/sh\n')),
  ]);
  for (const other of others) assert.is(other, one);
});

test('what is on the way and what is met there count', async () => {
  await using rig = await ExecutorRig.open();
  const link = (dir: string): void => symlinkSync('/elsewhere', join(dir, 'a'));
  const found = await digests(rig, FILE, { selection: from('/file'), destination: '/a/file' }, [
    NONE,
    directory('a'),
    directory('a', 0o700),
    directory('a', 0o755, 5),
    both(directory('a'), text('a/file', 'old')),
    both(directory('a'), directory('a/file')),
    link,
    both(link, directory('elsewhere')),
  ]);
  assert.is(new Set(found).size, found.length, found.join('\n'));
});

test('the content and the mode of a file that is replaced do not count', async () => {
  await using rig = await ExecutorRig.open();
  const action = { selection: from('/file'), destination: '/file' };
  const executable = (dir: string): void => chmodSync(join(dir, 'file'), 0o755);
  const [one, other] = await digests(rig, FILE, action, [text('file', 'a'), both(text('file', 'bb'), executable)]);
  assert.is(one, other);
});

test('names of owners count by their ids', async () => {
  await using rig = await ExecutorRig.open();
  const passwd = (id: number, rest = ''): Fill => text('etc/passwd', `app:x:${id}:${id}::/:/bin/sh\n${rest}`);
  const bases = [passwd(7), passwd(7, 'other:x:9:9::/:/bin/sh\n'), passwd(8)];
  const action = { selection: from('/file'), destination: '/file' };
  const named = await digests(rig, FILE, { ...action, owner: { user: 'app' } }, bases);
  assert.is(named[0], named[1]);
  assert.is.not(named[0], named[2]);
  const numbered = await digests(rig, FILE, { ...action, owner: { user: '7' } }, bases);
  assert.is(numbered[0], numbered[2]);
});

test('every name of a copied tree and of an archive is looked for', async () => {
  await using rig = await ExecutorRig.open();
  const tree = both(text('src/d/f', 'x'), text('src/g', 'x'));
  const bases = [directory('dst'), both(directory('dst'), directory('dst/d', 0o700)), text('dst/g', 'old')];
  const trees = await digests(rig, tree, { selection: from('/src'), destination: '/dst/' }, bases);
  assert.is(new Set(trees).size, 3);
  const archive = tarOf([
    { path: 'd/f', content: 'x' },
    { path: 'g', content: 'x' },
  ]);
  const holding = (dir: string): void => writeFileSync(join(dir, 'a.tar'), archive);
  const action = { selection: from('/a.tar'), destination: '/dst/', unpack: true };
  const archives = await digests(rig, holding, action, bases);
  assert.is(new Set(archives).size, 3);
});

test('a copy that cannot be made fails in the words of the copy', async () => {
  await using rig = await ExecutorRig.open();
  const action = { selection: from('/file'), destination: '/a/file' };
  await rejectsWith(
    'path-conflict',
    () => digests(rig, FILE, action, [text('a', 'a file')]),
    /"\/a" exists and is not/,
  );
});

test('a layer made on one base is put on another with an equal destination', async () => {
  await using rig = await ExecutorRig.open();
  const copied = await rig.layer(FILE);
  const onto = async (base: Made): Promise<Made> =>
    rig.make(copyOf({ selection: from('/file'), destination: '/a/b/' }), [base, copied]);
  const made = await onto(await rig.layer(directory('a', 0o711, 4)));
  assert.is(made.result.kind === 'layers' && made.result.layers.length, 1);
  const other = await rig.layer(both(directory('a', 0o711, 4), text('a/b2', 'x'), text('c', 'x')));
  const merged = await rig.make({ kind: 'merge' }, [other, made]);
  assert.equal(listing(await rig.tree(merged)), [
    'directory 711 4:4 /a',
    'directory 755 0:0 /a/b',
    'file 644 0:0 /a/b/file',
    'file 644 0:0 /a/b2',
    'file 644 0:0 /c',
  ]);
  assert.is((await onto(other)).identity, made.identity);
});

suiteOfDestinations.run();
