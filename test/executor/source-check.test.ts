import { rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalTree } from '../../src/context/local.ts';
import type { FileTree } from '../../src/core/tree.ts';
import { rejectsWith } from '../support/assert.ts';
import { ExecutorRig, from } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';

const suiteOfChecks = suite('files that change while they are copied');
const test = privileged(suiteOfChecks);

/** A context of a file and a link in which `change` happens after everything in it was looked at. */
async function copyDuring(change: (dir: string) => void): Promise<void> {
  await using temp = await tempDir();
  writeFileSync(join(temp.path, 'file'), 'one');
  symlinkSync('file', join(temp.path, 'link'));
  const tree = new LocalTree(temp.path);
  for (const name of tree.readdir('/')) tree.lstat(`/${name}`);
  await using rig = await ExecutorRig.open({ locals: new Map<string, FileTree>([['context', tree]]) });
  const context = await rig.local('context');
  const before = (await rig.snapshots.list()).length;
  change(temp.path);
  try {
    const made = await rig.copy(await rig.scratch(), context, { selection: from('/'), destination: '/dst/' });
    assert.is(await rig.text(made, '/dst/file'), 'one');
  } catch (error) {
    assert.is((await rig.snapshots.list()).length, before, 'no layer is left');
    throw error;
  }
}

test('what does not change is copied', () => copyDuring(() => undefined));

test('what is beside the selection, and the time of a directory, may change', () =>
  copyDuring((dir) => {
    writeFileSync(join(dir, 'new'), 'x');
    utimesSync(dir, 1, 1);
  }));

test('a file that was written to fails the copy', async () => {
  const message = /^Cannot copy "\/file" of the build context: it changed while it was copied$/;
  await rejectsWith('source-changed', () => copyDuring((dir) => writeFileSync(join(dir, 'file'), 'two')), message);
  await rejectsWith('source-changed', () => copyDuring((dir) => writeFileSync(join(dir, 'file'), 'longer')), message);
});

test('a link that was replaced, and a file that is gone, fail the copy', async () => {
  await rejectsWith('source-changed', () =>
    copyDuring((dir) => {
      rmSync(join(dir, 'link'));
      symlinkSync('elsewhere', join(dir, 'link'));
    }),
  );
  await rejectsWith('source-changed', () => copyDuring((dir) => rmSync(join(dir, 'file'))));
});

test('a bind mount of the context is checked as well', async () => {
  await using temp = await tempDir();
  writeFileSync(join(temp.path, 'file'), 'one');
  const tree = new LocalTree(temp.path);
  tree.lstat('/file');
  await using rig = await ExecutorRig.open({ locals: new Map([['context', tree]]) });
  const inputs = [await rig.local('context')];
  const base = await rig.busybox();
  writeFileSync(join(temp.path, 'file'), 'two');
  const mounts = [{ kind: 'bind', target: '/m', input: 1, source: '/file', readonly: true } as const];
  await rejectsWith('source-changed', () => rig.run(base, 'cat /m', { mounts, inputs }), /"\/file"/);
});

suiteOfChecks.run();
