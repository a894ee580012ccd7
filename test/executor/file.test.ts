/** WORKDIR and heredocs: what file operations make without a source. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FileAction } from '../../src/solver/op.ts';
import { rejectsWith } from '../support/assert.ts';
import { ExecutorRig, listing } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { fill } from './copies.ts';

const suiteOfFiles = suite('directories and files made');
const test = privileged(suiteOfFiles);

test('WORKDIR makes what is missing for its user and leaves what exists', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.layer((dir) => {
    fill(dir, { mine: null, data: null, link: '-> data' });
    chmodSync(join(dir, 'mine'), 0o700);
  });
  const owner = { user: '1000', group: '1000' };
  const mkdir = (path: string): FileAction => ({ kind: 'mkdir', path, mode: 0o755, owner });
  const made = await rig.files(root, mkdir('/mine/sub'), mkdir('/mine'), mkdir('/fresh/dir'), mkdir('/link/made'));
  assert.equal(listing(await rig.tree(made)), [
    'directory 755 0:0 /data',
    'directory 755 1000:1000 /data/made',
    'directory 755 1000:1000 /fresh',
    'directory 755 1000:1000 /fresh/dir',
    'symlink 0:0 /link -> data',
    'directory 700 0:0 /mine',
    'directory 755 1000:1000 /mine/sub',
  ]);
  const again = await rig.files(made, mkdir('/fresh/dir'));
  assert.is(again.result.kind === 'layers' && again.result.layers.length, 3);
});

test('WORKDIR on a file is a conflict', async () => {
  await using rig = await ExecutorRig.open();
  const root = await rig.layer((dir) => fill(dir, { file: 'x' }));
  await rejectsWith('path-conflict', () => rig.files(root, { kind: 'mkdir', path: '/file', mode: 0o755 }));
});

test('a heredoc goes where a file of its name would go', async () => {
  await using rig = await ExecutorRig.open();
  const mkfile = (destination: string, rest: object = {}): FileAction => ({
    kind: 'mkfile',
    destination,
    name: 'EOF',
    content: 'text\n',
    mode: 0o644,
    ...rest,
  });
  const made = await rig.files(
    await rig.scratch(),
    mkfile('/dir/'),
    mkfile('/named', { owner: { user: '5' } }),
    mkfile('/run', { modeChange: { kind: 'symbolic', clauses: 'u+x' } }),
  );
  assert.equal(listing(await rig.tree(made)), [
    'directory 755 0:0 /dir',
    'file 644 0:0 /dir/EOF',
    'file 644 5:5 /named',
    'file 744 0:0 /run',
  ]);
  assert.is(await rig.text(made, '/named'), 'text\n');
});

suiteOfFiles.run();
