/** Where COPY puts what it copies, and what is in the way. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CopyAction } from '../../src/solver/op.ts';
import { rejectsWith } from '../support/assert.ts';
import { ExecutorRig, from } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import type { Tree } from './copies.ts';
import { DIR, FILE, onto } from './copies.ts';

const suiteOfDestinations = suite('destinations of copies');
const test = privileged(suiteOfDestinations);

/** What a COPY makes of a small file system. */
const RULES: readonly {
  readonly name: string;
  readonly base?: Tree;
  readonly source: Tree;
  readonly actions: readonly Partial<CopyAction>[];
  /** Paths with the text of files, or what they are. */
  readonly expected: Readonly<Record<string, string>>;
}[] = [
  {
    name: 'a slash makes a directory, its absence a name',
    source: { file: 'x' },
    actions: [
      { selection: FILE, destination: '/made/on/the/way/' },
      { selection: FILE, destination: '/made/renamed' },
    ],
    expected: { '/made/on/the/way/file': 'x', '/made/renamed': 'x' },
  },
  {
    name: 'an existing directory receives a file, with or without a slash',
    base: { 'tmp/': null, etc: null },
    source: { file: 'x' },
    actions: [
      { selection: FILE, destination: '/tmp' },
      { selection: FILE, destination: '/etc/' },
    ],
    expected: { '/tmp/file': 'x', '/etc/file': 'x' },
  },
  {
    name: 'the root in its spellings',
    source: { one: '1', two: '2', three: '3' },
    actions: ['/', '/.', '/./'].map((destination, at) => ({
      selection: from(`/${['one', 'two', 'three'][at] ?? ''}`),
      destination,
    })),
    expected: { '/one': '1', '/two': '2', '/three': '3' },
  },
  {
    name: 'a directory gives its contents',
    source: { 'dir/one': '1', 'dir/sub/two': '2', 'dir/empty': null },
    actions: [
      { selection: DIR, destination: '/a' },
      { selection: DIR, destination: '/b/' },
    ],
    expected: {
      '/a/one': '1',
      '/a/sub/two': '2',
      '/a/empty': 'directory',
      '/b/one': '1',
      '/b/sub/two': '2',
    },
  },
  {
    name: 'an empty directory is made',
    source: { dir: null },
    actions: [{ selection: DIR, destination: '/deep/er' }],
    expected: { '/deep/er': 'directory' },
  },
  {
    name: 'a merge replaces files and keeps the rest',
    base: { 'dst/shared/replaced': 'old', 'dst/shared/kept': 'kept' },
    source: { 'dir/shared/replaced': 'new', 'dir/mine/file': 'mine' },
    actions: [{ selection: DIR, destination: '/dst' }],
    expected: { '/dst/shared/replaced': 'new', '/dst/shared/kept': 'kept', '/dst/mine/file': 'mine' },
  },
  {
    name: 'several sources meet in one directory, later ones win',
    source: { 'dir/same': 'a', one: '1', 'dir2/same': 'b' },
    actions: [from('/dir/same'), from('/one'), from('/dir2/same')].map((selection) => ({
      selection,
      destination: '/dst/',
    })),
    expected: { '/dst/same': 'b', '/dst/one': '1' },
  },
  {
    name: 'without a slash the last of several files stays',
    source: { one: '1', two: '2' },
    actions: [from('/one'), from('/two')].map((selection) => ({ selection, destination: '/dst' })),
    expected: { '/dst': '2' },
  },
  {
    name: 'a wildcard without a match makes nothing, not even the destination',
    source: { file: 'x' },
    actions: [{ selection: from('/nothing*'), destination: '/dst/' }],
    expected: { '/dst': 'nothing' },
  },
  {
    name: 'a wildcard that matches one file may rename it',
    source: { 'config.json': '{}' },
    actions: [{ selection: from('/conf*.json'), destination: '/etc/renamed.json' }],
    expected: { '/etc/renamed.json': '{}' },
  },
  {
    name: 'links in the destination are followed inside the root',
    base: { 'usr/bin': null, bin: '-> usr/bin', escape: '-> ../../../../target', chain: '-> escape' },
    source: { file: 'x' },
    actions: [
      { selection: FILE, destination: '/bin/' },
      { selection: FILE, destination: '/escape/landed' },
      { selection: FILE, destination: '/chain/too' },
    ],
    expected: { '/usr/bin/file': 'x', '/target/landed': 'x', '/target/too': 'x', '/bin': 'symlink' },
  },
  {
    name: 'a destination that is a link is written through',
    base: { real: 'old', link: '-> real', data: null, dirlink: '-> /data', dangling: '-> /nowhere/yet' },
    source: { file: 'x' },
    actions: ['/link', '/dirlink', '/dangling'].map((destination) => ({ selection: FILE, destination })),
    expected: { '/link': 'symlink', '/real': 'x', '/data/file': 'x', '/nowhere/yet': 'x', '/dangling': 'symlink' },
  },
  {
    name: 'links below the destination are replaced',
    base: { 'dst/file': 'old', 'dst/link': '-> /etc', 'dst/other': '-> /etc', etc: null },
    source: { 'dir/file': '-> new', 'dir/link': '-> new', 'dir/other': 'plain' },
    actions: [{ selection: DIR, destination: '/dst' }],
    expected: { '/dst/file': 'symlink', '/dst/link': 'symlink', '/dst/other': 'plain', '/etc/new': 'nothing' },
  },
  {
    name: 'a followed source keeps the name it was called by',
    source: { target: 'x', link: '-> target', into: null },
    actions: [{ selection: from('/link'), destination: '/dst/' }],
    expected: { '/dst/link': 'x' },
  },
  {
    name: '--parents keeps the path',
    source: { 'a/b/file': '1', 'x/y/z/1.txt': '2', 'x/y/z/no': '3' },
    actions: [
      { selection: from('/a/b/file'), destination: '/one/', parents: true },
      { selection: from('/x/./y/z/*.txt'), destination: '/two/', parents: true },
    ],
    expected: { '/one/a/b/file': '1', '/two/y/z/1.txt': '2', '/two/y/z/no': 'nothing' },
  },
  {
    name: 'dot-dot in a destination stops at the root',
    source: { file: 'x' },
    actions: [{ selection: FILE, destination: '/a/b/../../../../top' }],
    expected: { '/top': 'x' },
  },
];

for (const { name, base = {}, source, actions, expected } of RULES) {
  test(name, async () => {
    await using rig = await ExecutorRig.open();
    const made = await onto(rig, base, source, ...actions);
    const tree = await rig.tree(made);
    for (const [path, wanted] of Object.entries(expected)) {
      const entry = tree.lstat(path);
      assert.is(entry?.type === 'file' ? await rig.text(made, path) : (entry?.type ?? 'nothing'), wanted, path);
    }
  });
}

const CONFLICTS: readonly (readonly [name: string, base: Tree, source: Tree, message: RegExp])[] = [
  ['a directory over a file', { dst: 'file' }, { 'dir/a': 'a' }, /non-directory: "\/dst"/],
  ['an empty directory over a file', { dst: 'file' }, { dir: null }, /non-directory: "\/dst"/],
  ['a nested directory over a file', { 'dst/name': 'file' }, { 'dir/name/in': '' }, /non-directory: "\/dst\/name"/],
  ['a nested directory over a link', { real: null, 'dst/name': '-> /real' }, { 'dir/name/in': '' }, /"\/dst\/name"/],
  ['a nested file over a directory', { 'dst/name/in': '' }, { 'dir/name': 'file' }, /directory "\/dst\/name"/],
  ['a nested link over a directory', { 'dst/name/in': '' }, { 'dir/name': '-> x' }, /directory "\/dst\/name"/],
  ['a file as a parent', { dst: null, 'dst/x': 'f' }, { 'dir/x/y/z': '' }, /"\/dst\/x"/],
  ['a loop of links', { dst: '-> loop', loop: '-> dst' }, { 'dir/x': '' }, /links/],
];

for (const [name, base, source, message] of CONFLICTS) {
  test(`conflict: ${name}`, async () => {
    await using rig = await ExecutorRig.open();
    await rejectsWith('path-conflict', () => onto(rig, base, source, { selection: DIR, destination: '/dst' }), message);
  });
}

suiteOfDestinations.run();
