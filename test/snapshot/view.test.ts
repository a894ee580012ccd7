import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolvePath } from '../../src/core/tree.ts';
import { MergedView, openView } from '../../src/snapshot/view.ts';
import {
  arbitraryPlans,
  hostTree,
  isRoot,
  Lab,
  makeTree,
  nativeFiles,
  treePicture,
  withOverlay,
} from '../layer/support.ts';

const test = suite('MergedView');

function layer(lab: Lab, name: string, entries: Readonly<Record<string, string>>): string {
  const dir = lab.makeDir(name);
  for (const [path, text] of Object.entries(entries)) {
    fs.mkdirSync(join(dir, path, '..'), { recursive: true });
    if (text.startsWith('-> ')) fs.symlinkSync(text.slice(3), join(dir, path));
    else fs.writeFileSync(join(dir, path), text);
  }
  return dir;
}

const stack = (...dirs: string[]): MergedView => new MergedView(dirs.map((dir) => ({ dir, opaqueDirs: [] })));

test('an empty stack is an empty root', () => {
  const view = new MergedView([]);
  assert.equal(view.readdir('/'), []);
  assert.is(view.lstat('/')?.type, 'directory');
  assert.is(view.lstat('/a'), undefined);
});

test('higher layers win, directories merge, other things hide', () => {
  using lab = new Lab();
  const low = layer(lab, 'low', { 'd/a': 'low a', 'd/b': 'low b', 'e/x': '', f: 'low' });
  const high = layer(lab, 'high', { 'd/a': 'high a', 'd/c': '', e: 'a file', 'f/y': '' });
  const view = stack(low, high);
  assert.equal(view.readdir('/'), ['d', 'e', 'f']);
  assert.equal(view.readdir('/d'), ['a', 'b', 'c']);
  assert.is(fs.readFileSync(view.hostPath('/d/a'), 'utf8'), 'high a');
  assert.is(view.lstat('/e')?.type, 'file');
  assert.is(view.lstat('/e/x'), undefined);
  assert.equal(view.readdir('/f'), ['y']);
  assert.throws(() => view.readdir('/e'), /ENOTDIR/);
  assert.throws(() => view.readdir('/none'), /ENOENT/);
});

test('opaque directories hide what is below them', () => {
  using lab = new Lab();
  const dirs = [
    layer(lab, 'l1', { 'd/1': '', 'd/s/1': '' }),
    layer(lab, 'l2', { 'd/2': '', 'd/s/2': '' }),
    layer(lab, 'l3', { 'd/s/3': '' }),
  ];
  const view = new MergedView(dirs.map((dir, index) => ({ dir, opaqueDirs: index === 1 ? ['/d'] : [] })));
  assert.equal(view.readdir('/d'), ['2', 's']);
  assert.equal(view.readdir('/d/s'), ['2', '3']);
  assert.is(view.lstat('/d/1'), undefined);
  const all = new MergedView(dirs.map((dir, index) => ({ dir, opaqueDirs: index === 2 ? ['/'] : [] })));
  assert.equal(all.readdir('/d/s'), ['3']);
});

test('links are never followed on the way, neither in the view nor on the host', () => {
  using lab = new Lab();
  layer(lab, 'outside', { secret: 'x' });
  const dir = layer(lab, 'in', { 'real/f': 'x', link: '-> real', out: '-> ../outside' });
  const view = stack(dir);
  assert.is(view.lstat('/link')?.type, 'symlink');
  assert.is(view.readlink('/out'), '../outside');
  assert.is(view.lstat('/link/f'), undefined);
  assert.is(view.lstat('/out/secret'), undefined);
  assert.is(view.lstat('/../outside'), undefined);
  assert.is(view.lstat('/real/../../outside/secret'), undefined);
  assert.is(resolvePath(view, '/link/f'), '/real/f');
});

test('a lower layer is not asked through a link of a higher one', () => {
  using lab = new Lab();
  const view = stack(layer(lab, 'low', { 'd/f': '' }), layer(lab, 'high', { d: '-> elsewhere' }));
  assert.is(view.lstat('/d')?.type, 'symlink');
  assert.is(view.lstat('/d/f'), undefined);
});

test('entries tell hard links and changes', () => {
  using lab = new Lab();
  const dir = layer(lab, 'l', { a: 'x', c: 'y' });
  fs.linkSync(join(dir, 'a'), join(dir, 'b'));
  const [a, b, c] = ['/a', '/b', '/c'].map((path) => stack(dir).lstat(path));
  assert.ok(a?.hardLinkId !== undefined && a.hardLinkId === b?.hardLinkId);
  assert.is(c?.hardLinkId, undefined);
  assert.is(a?.statKey, b?.statKey);
  fs.writeFileSync(join(dir, 'c'), 'z');
  assert.is.not(stack(dir).lstat('/c')?.statKey, c?.statKey);
});

test('names are in byte order, and those that are not UTF-8 can be reached', () => {
  using lab = new Lab();
  const dir = layer(lab, 'l', { '\u{ffff}': '', '\u{10000}': '', B: '', a: '' });
  fs.writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff])]), 'raw');
  const view = stack(dir);
  assert.equal(view.readdir('/'), ['B', 'a', '\u{ffff}', '\u{10000}', '\udcff']);
  assert.is(view.lstat('/\udcff')?.size, 3);
});

test('a name that no file system takes is not there', () => {
  using lab = new Lab();
  assert.is(stack(layer(lab, 'l', {})).lstat(`/${'n'.repeat(300)}`), undefined);
});

if (isRoot('comparing views with overlayfs')) {
  const files = nativeFiles();

  test('shows what overlayfs shows, for any stack', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitraryPlans({ marks: true, maxLength: 12 }), { minLength: 2, maxLength: 4 }),
        async (plans) => {
          using lab = new Lab();
          const dirs = plans.map((_, index) => lab.makeDir(`l${index}`));
          for (const [index, plan] of plans.entries()) await makeTree(files, dirs[index]!, plan);
          const lower = await Promise.all(
            dirs.slice(0, -1).map(async (dir) => ({ dir, ...(await files.scanLayer(dir)) })),
          );
          const view = await openView(lower, { dir: dirs.at(-1)!, scanLayer: (dir) => files.scanLayer(dir) });
          const expected = withOverlay(lab, dirs, undefined, (merged) => treePicture(hostTree(merged)));
          assert.equal(treePicture(view), expected);
          // Looked up one by one, without a listing before, the entries must be the same.
          const fresh = await openView(lower, { dir: dirs.at(-1)!, scanLayer: (dir) => files.scanLayer(dir) });
          for (const { path } of plans.flat()) assert.equal(fresh.lstat(path), view.lstat(path));
        },
      ),
      { numRuns: 12 },
    );
  });
}

test.run();
