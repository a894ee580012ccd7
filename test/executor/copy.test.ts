/** What copies take from a context, what they are recorded as, and what a failed one leaves. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDockerignore } from '../../src/context/dockerignore.ts';
import { LocalTree } from '../../src/context/local.ts';
import { rejectsWith } from '../support/assert.ts';
import type { Made } from '../support/executor-rig.ts';
import { ExecutorRig, from, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';
import { DIR, FILE, fill, onto } from './copies.ts';

const suiteOfCopies = suite('copy');
const test = privileged(suiteOfCopies);

test('from a context: ignored files stay out, links that lead out are copied as links', async () => {
  await using temp = await tempDir();
  fill(temp.path, { 'context/file': 'x', 'context/secret/key': 's', 'context/out': '-> ../outside', outside: 'o' });
  const ignore = parseDockerignore({ name: '.dockerignore', text: 'secret' });
  const tree = new LocalTree(join(temp.path, 'context'), { ignore });
  await using rig = await ExecutorRig.open({ locals: new Map([['context', tree]]) });
  const context = await rig.local('context');
  const made = await rig.copy(await rig.scratch(), context, { selection: from('/'), destination: '/all' });
  assert.equal(listing(await rig.tree(made), '/all'), ['file 644 0:0 /all/file', 'symlink 0:0 /all/out -> ../outside']);
  const copyOf = (source: string): Promise<Made> => rig.copy(made, context, { selection: from(source) });
  await rejectsWith(
    'source-not-found',
    () => copyOf('/secret/key'),
    /excluded from the build context by \.dockerignore/,
  );
  await rejectsWith('source-not-found', () => copyOf('/out'), /leads to "\/outside"/);
  await rejectsWith(
    'source-not-found',
    () => copyOf('../../etc/passwd'),
    /"\/etc\/passwd": not found in the build context/,
  );
});

test('nothing is left of a copy that fails', async () => {
  await using rig = await ExecutorRig.open();
  const before = await rig.snapshots.list();
  const action = { selection: DIR, destination: '/dst' };
  await rejectsWith('path-conflict', () => onto(rig, { 'dst/z': null }, { 'dir/a': 'a', 'dir/z': 'z' }, action));
  const after = await rig.snapshots.list();
  assert.is(after.length, before.length + 2, 'the two layers of the test itself');
  assert.equal(execFileSync('ls', [join(rig.root, 'snapshots/active')], { encoding: 'utf8' }), '');
});

test('two equal copies have one identity, a copy of other files another', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.scratch();
  const copyOf = async (text: string): Promise<string> =>
    (await onto(rig, root, { file: text }, { selection: FILE, destination: '/dst' })).identity;
  const [one, same, other] = [await copyOf('one'), await copyOf('one'), await copyOf('other')];
  assert.is(one, same);
  assert.is.not(one, other);
});

test('a layer of its own merges on top of any stack', async () => {
  await using rig = await ExecutorRig.open();
  const base = await rig.layer((dir) => fill(dir, { 'dir/below': 'b', link: '-> dir' }));
  const top = await onto(rig, await rig.scratch(), { file: 'x' }, { selection: FILE, destination: '/dir/file' });
  const merged = await rig.make({ kind: 'merge' }, [base, top]);
  assert.equal(listing(await rig.tree(merged)), [
    'directory 755 0:0 /dir',
    'file 644 0:0 /dir/below',
    'file 644 0:0 /dir/file',
    'symlink 0:0 /link -> dir',
  ]);
});

suiteOfCopies.run();
