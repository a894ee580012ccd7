import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { applyLayer } from '../../src/layer/apply.ts';
import { digestLayer } from '../../src/layer/write.ts';
import { MergedView } from '../../src/snapshot/view.ts';
import {
  arbitraryPlans,
  chunked,
  collect,
  hostTree,
  isRoot,
  Lab,
  makeTree,
  nativeFiles,
  treePicture,
  withOverlay,
} from './support.ts';

const files = nativeFiles();
const test = suite('layer round trip');

async function view(...dirs: string[]): Promise<MergedView> {
  const layers = await Promise.all(
    dirs.map(async (dir) => ({ dir, opaqueDirs: (await files.scanLayer(dir)).opaqueDirs })),
  );
  return new MergedView(layers);
}

/** What a process may do to a tree; paths that don't fit what is there do nothing. */
type Change =
  | { readonly kind: 'write' | 'mkdir' | 'remove' | 'chmod' | 'chown' | 'node'; readonly path: string }
  | { readonly kind: 'rename' | 'link' | 'symlink'; readonly path: string; readonly to: string };

const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'ü'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'));
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('write', 'write', 'mkdir', 'mkdir', 'remove', 'remove', 'chmod', 'chown', 'node'),
    path,
  }),
  fc.record({ kind: fc.constantFrom('rename', 'link', 'symlink'), path, to: path }),
);

const EXPECTED = new Set([
  'ENOENT',
  'ENOTDIR',
  'EEXIST',
  'EISDIR',
  'EXDEV',
  'ENOTEMPTY',
  'EINVAL',
  'EPERM',
  'ELOOP',
  'ENXIO',
]);

function carryOut(root: string, changes: readonly Change[]): void {
  changes.forEach((item, index) => {
    const at = join(root, item.path);
    try {
      // A fifo would hold whoever opens it, and a link could lead out of the tree.
      if (item.kind === 'write' && !(fs.lstatSync(at, { throwIfNoEntry: false })?.isFile() ?? true)) return;
      if (item.path.split('/').some((_, i, parts) => isLink(join(root, ...parts.slice(0, i))))) return;
      switch (item.kind) {
        case 'write':
          return fs.writeFileSync(at, `content ${index}`);
        case 'mkdir':
          return void fs.mkdirSync(at, { recursive: true });
        case 'remove':
          return fs.rmSync(at, { recursive: true });
        case 'chmod':
          return fs.lstatSync(at).isSymbolicLink() ? undefined : fs.chmodSync(at, 0o700 + index);
        case 'chown':
          return fs.lchownSync(at, index, index);
        case 'node':
          return void execFileSync('mknod', [at, 'p'], { stdio: 'ignore' });
        case 'rename':
          return fs.renameSync(at, join(root, item.to));
        case 'link':
          return fs.linkSync(at, join(root, item.to));
        case 'symlink':
          return fs.symlinkSync(item.to, at);
      }
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (!EXPECTED.has(code) && (error as { status?: number }).status !== 1) throw error;
    }
  });
}

function isLink(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

if (!isRoot('layer round trips')) {
  test('root is needed', () => assert.ok(true));
} else {
  test('packing what was unpacked gives the same bytes, and GNU tar can read them', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryPlans({ marks: true }), async (plans) => {
        using lab = new Lab();
        const [first, second] = [lab.makeDir('first'), lab.makeDir('second')];
        await makeTree(files, first, plans);
        const bytes = await collect(files.packLayer(first));
        const applied = await applyLayer(files, chunked(bytes, 1000), second);
        assert.equal(applied.impliedParents, []);
        assert.ok((await collect(files.packLayer(second))).equals(bytes));
        assert.equal(await digestLayer(files, second), { diffID: applied.diffID, sizeBytes: applied.sizeBytes });
        assert.equal(treePicture(await view(second)), treePicture(await view(first)));
        execFileSync('tar', ['-tf', '-'], { input: bytes, stdio: ['pipe', 'ignore', 'pipe'] });
      }),
      { numRuns: 10 },
    );
  });

  test('a layer made by overlayfs, packed and applied again, gives the same merged tree', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 15 }),
        fc.array(change, { maxLength: 25 }),
        async (before, changes) => {
          using lab = new Lab();
          const [base, upper, copy] = ['base', 'upper', 'copy'].map((name) => lab.makeDir(name)) as [
            string,
            string,
            string,
          ];
          carryOut(base, before);
          const expected = withOverlay(lab, [base], upper, (merged) => {
            carryOut(merged, changes);
            return treePicture(hostTree(merged));
          });
          await applyLayer(files, files.packLayer(upper), copy, { lower: [base] });
          assert.equal(treePicture(await view(base, upper)), expected);
          assert.equal(treePicture(await view(base, copy)), expected);
          assert.equal(
            withOverlay(lab, [base, copy], undefined, (merged) => treePicture(hostTree(merged))),
            expected,
          );
        },
      ),
      { numRuns: 12 },
    );
  });
}

test.run();
