import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SelectOptions } from '../../src/executor/selection.ts';
import { select } from '../../src/executor/selection.ts';
import type { FileTree } from '../../src/core/tree.ts';
import { throwsWith } from '../support/assert.ts';
import { ToyTree } from '../support/toy-tree.ts';

const test = suite('selection');

const TREE = new ToyTree({
  '/a.txt': 'a',
  '/bb.txt': 'bb',
  '/.hidden.txt': 'h',
  '/real/file': 'content',
  '/way': { link: 'real' },
  '/chain': { link: 'way' },
  '/absolute': { link: '/real' },
  '/escape': { link: '../../../outside.txt' },
  '/dangling.txt.old': { link: 'nowhere' },
  '/dir/one': '1',
  '/dir/sub/two': '2',
  '/dir/sub/deep/three': '3',
  '/dir/empty': null,
  '/dir/link': { link: '../a.txt' },
  '/dir/socket': { type: 'socket' },
  '/d1/x.txt': 'x1',
  '/d2/x.txt': 'x2',
  '/d3': { link: 'd1' },
  '/a[0]': 'odd',
  '/b*c': 'star',
});

/** What is selected, as `name: relative paths`. */
function selected(
  source: string,
  exclude: readonly string[] = [],
  options: SelectOptions & { readonly tree?: FileTree } = {},
): string[] {
  return select(options.tree ?? TREE, { source, wildcard: true, exclude }, options).map(
    ({ name, entries }) => `${name}: ${entries.map(({ relative }) => relative || '.').join(' ')}`,
  );
}

test('a file is itself', () => {
  assert.equal(selected('/a.txt'), ['a.txt: .']);
  assert.equal(selected('a.txt'), ['a.txt: .']);
});

test('a directory comes with all below it, sorted', () => {
  assert.equal(selected('/dir'), ['dir: . empty link one socket sub sub/deep sub/deep/three sub/two']);
});

test('links in the named path are followed, those below are not', () => {
  const [source] = select(TREE, { source: '/dir', wildcard: false, exclude: [] });
  assert.is(source?.entries.find(({ relative }) => relative === 'link')?.entry.type, 'symlink');
  for (const path of ['/way/file', '/chain/file', '/absolute/file']) {
    assert.is(select(TREE, { source: path, wildcard: false, exclude: [] })[0]?.path, '/real/file');
  }
  assert.equal(selected('/way'), ['way: . file']);
});

test('nothing climbs out of the tree', () => {
  assert.equal(selected('../../a.txt'), ['a.txt: .']);
  throwsWith('source-not-found', () => selected('/escape'), /"\/escape" \(it leads to "\/outside\.txt"\)/);
});

test('patterns match names one directory at a time, dot files too', () => {
  assert.equal(selected('/*.txt'), ['.hidden.txt: .', 'a.txt: .', 'bb.txt: .']);
  assert.equal(selected('/d*/x.txt'), ['x.txt: .', 'x.txt: .']);
  assert.equal(selected('/*/x.txt').length, 2, 'a link to a directory is not walked through');
  assert.equal(selected('/way/*'), ['file: .']);
  assert.equal(selected('/d?'), ['d1: . x.txt', 'd2: . x.txt', 'd3: . x.txt']);
  assert.equal(selected('/a[[]0]'), ['a[0]: .']);
  assert.equal(selected('/b\\*[c]'), ['b*c: .']);
});

test('a pattern without a match selects nothing, a dangling link that it matches is missing', () => {
  assert.equal(selected('/nothing*'), []);
  assert.equal(selected('/a.txt/*'), []);
  throwsWith('source-not-found', () => selected('/*.old'), /"\/dangling\.txt\.old"/);
  throwsWith('source-not-found', () => selected('/nodir/*.txt'), /"\/nodir"/);
  throwsWith('invalid-argument', () => selected('/[a'), /syntax error/);
});

test('without patterns the characters stand for themselves', () => {
  assert.is(select(TREE, { source: '/a[0]', wildcard: false, exclude: [] })[0]?.name, 'a[0]');
});

test('a missing source names the nearest neighbour', () => {
  const error = throwsWith(
    'source-not-found',
    () => selected('/dir/onw'),
    /"\/dir\/onw": not found in the build context/,
  );
  assert.is(error.hint, 'did you mean "/dir/one"?');
  throwsWith('source-not-found', () => selected('/x', [], { place: 'stage "build"' }), /in stage "build"/);
});

test('a missing source says who hides it', () => {
  const tree = Object.assign(new ToyTree(), { hiddenBy: () => '.dockerignore' });
  throwsWith(
    'source-not-found',
    () => selected('/x', [], { tree }),
    /excluded from the build context by \.dockerignore/,
  );
});

test('excludes are relative to the source and spare the source itself', () => {
  assert.equal(selected('/dir', ['sub']), ['dir: . empty link one socket']);
  assert.equal(selected('/dir', ['dir/sub', 'on?']), ['dir: . empty link socket sub sub/deep sub/deep/three sub/two']);
  assert.equal(selected('/dir', ['**', '!**/three']), ['dir: . sub sub/deep sub/deep/three']);
  assert.equal(selected('/dir', ['sub/*', '!sub/two']), ['dir: . empty link one socket sub sub/two']);
  assert.equal(selected('/a.txt', ['*.txt']), ['a.txt: .']);
  assert.equal(selected('/real', ['/file']), ['real: . file'], 'a leading slash matches nothing');
});

test('--parents keeps the path from the root or from the pivot', () => {
  const parents = { parents: true };
  assert.equal(selected('/dir/sub/two', [], parents), [': . dir dir/sub dir/sub/two']);
  assert.equal(selected('./dir/./sub/*', [], parents), [': . sub sub/deep sub/deep/three sub/two']);
  assert.equal(selected('/dir', ['**/deep'], parents), [
    ': . dir dir/empty dir/link dir/one dir/socket dir/sub dir/sub/two',
  ]);
  assert.equal(selected('/**/x.txt', [], parents), [': . d1 d1/x.txt d2 d2/x.txt']);
  assert.equal(selected('/**/none', [], parents), []);
  throwsWith('source-not-found', () => selected('/dir/none', [], parents));
});

test('an aborted walk stops', () => {
  const tree = new ToyTree();
  for (let at = 0; at < 1100; at++) tree.add(`/f${at}`, 'x');
  throwsWith('cancelled', () => selected('/', [], { tree, signal: AbortSignal.abort() }));
});

test.run();
