import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HashEntriesOptions, HashedEntry } from '../../src/cache/content-hash.ts';
import { hashEntries } from '../../src/cache/content-hash.ts';
import type { ContentMemo } from '../../src/cache/content-memo.ts';
import { createContentMemo } from '../../src/cache/content-memo.ts';
import { LocalTree } from '../../src/context/local.ts';
import { digestOf } from '../../src/core/digest.ts';
import type { Digest } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import { decodePath, encodePath } from '../../src/core/path-bytes.ts';
import type { FileTree, TreeEntry } from '../../src/core/tree.ts';
import type { TempDir } from './rig.ts';
import { tempDir } from './rig.ts';

const test = suite('hashEntries()');

/** Everything in the directory, named by its path. */
function entriesOf(tree: FileTree, dir = '/'): HashedEntry[] {
  const entry = tree.lstat(dir);
  assert.ok(entry);
  const below = entry.type === 'directory' ? tree.readdir(dir) : [];
  return [
    { path: dir, name: dir.slice(1), entry },
    ...below.flatMap((name) => entriesOf(tree, `${dir === '/' ? '' : dir}/${name}`)),
  ];
}

function emptyMemo(dir: TempDir): ContentMemo {
  return createContentMemo({ dir: join(dir.path, 'cache') });
}

/** A context of its own and a memo that is empty. */
function rig() {
  const dir = tempDir();
  const context = join(dir.path, 'context');
  mkdirSync(context);
  const memo = emptyMemo(dir);
  return {
    context,
    memo,
    at: (...parts: string[]) => join(context, ...parts),
    tree: () => new LocalTree(context),
    async hash(options: Partial<HashEntriesOptions> = {}): Promise<Digest> {
      const tree = new LocalTree(context);
      return await hashEntries(tree, entriesOf(tree), { memo, resetOwner: true, ...options });
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof BuildError) return error.code;
    throw error;
  }
  throw new Error('it should have failed');
}

const FILE: TreeEntry = { type: 'file', mode: 0o644, uid: 1, gid: 2, size: 5, mtimeNs: 7n, statKey: 'hello' };

/** No file is read: contents are what the memo says. */
async function hashForged(entries: readonly HashedEntry[], options: Partial<HashEntriesOptions> = {}): Promise<Digest> {
  using dir = tempDir();
  const memo = emptyMemo(dir);
  await memo.set('hello', digestOf('hello'));
  await memo.set('world', digestOf('world'));
  const tree: FileTree = {
    lstat: () => undefined,
    readdir: () => [],
    readlink: (path) => `target of ${path}`,
    hostPath: (path) => {
      throw new Error(`"${path}" should not be read`);
    },
  };
  return await hashEntries(tree, entries, { memo, resetOwner: false, ...options });
}

test('is SHA-256 over the version and the fields of each entry in byte order', async () => {
  const entries: HashedEntry[] = [
    { path: '/b', name: 'b', entry: { ...FILE, type: 'symlink', mode: 0o700, size: 0 } },
    { path: '/a', name: 'a', entry: FILE },
    { path: '/', name: '', entry: { ...FILE, type: 'directory', mode: 0o1755, size: 0 } },
    { path: '/c', name: 'c', entry: { ...FILE, type: 'character', size: 0, device: { major: 1, minor: 3 } } },
  ];
  const fields = [
    ['tsbuild.content.v1'],
    ['', 'directory', '1755', '1', '2', '0', '', '', '', '', ''],
    ['a', 'file', '644', '1', '2', '5', '', '', '', '', digestOf('hello')],
    ['b', 'symlink', '777', '1', '2', '0', 'target of /b', '', '', '', ''],
    ['c', 'character', '644', '1', '2', '0', '', '1:3', '', '', ''],
  ];
  const text = fields
    .flat()
    .map((field) => `${field}\0`)
    .join('');
  assert.is(await hashForged(entries), `sha256:${createHash('sha256').update(text).digest('hex')}`);
});

test('every field matters, and times do not', async () => {
  const digest = await hashForged([{ path: '/a', name: 'a', entry: FILE }]);
  const different: readonly HashedEntry[] = [
    { path: '/a', name: 'A', entry: FILE },
    { path: '/a', name: 'a', entry: { ...FILE, type: 'fifo' } },
    { path: '/a', name: 'a', entry: { ...FILE, mode: 0o4644 } },
    { path: '/a', name: 'a', entry: { ...FILE, uid: 2 } },
    { path: '/a', name: 'a', entry: { ...FILE, gid: 1 } },
    { path: '/a', name: 'a', entry: { ...FILE, size: 6 } },
    { path: '/a', name: 'a', entry: { ...FILE, statKey: 'world' } },
  ];
  for (const entry of different) assert.is.not(await hashForged([entry]), digest);
  assert.is(await hashForged([{ path: '/elsewhere', name: 'a', entry: { ...FILE, mtimeNs: 8n } }]), digest);
  const link = (path: string): HashedEntry => ({ path, name: 'a', entry: { ...FILE, type: 'symlink' } });
  assert.is.not(await hashForged([link('/a')]), await hashForged([link('/b')]));
});

test('resetOwner makes all owners root', async () => {
  const of = (uid: number): HashedEntry[] => [{ path: '/a', name: 'a', entry: { ...FILE, uid } }];
  assert.is.not(await hashForged(of(1)), await hashForged(of(2)));
  assert.is(await hashForged(of(1), { resetOwner: true }), await hashForged(of(2), { resetOwner: true }));
});

test('names of one file are told from equal files, but not where only one name is selected', async () => {
  const named = (name: string, entry: TreeEntry): HashedEntry => ({ path: `/${name}`, name, entry });
  const linked = (id: string): TreeEntry => ({ ...FILE, hardLinkId: id });
  const separate = await hashForged([named('a', FILE), named('b', FILE)]);
  const together = await hashForged([named('a', linked('1')), named('b', linked('1'))]);
  assert.is.not(together, separate);
  assert.is(
    await hashForged([named('b', linked('9')), named('a', linked('9'))]),
    together,
    'the id itself does not matter',
  );
  assert.is(await hashForged([named('a', linked('1')), named('b', linked('2'))]), separate);
});

test('attributes of files enter where they are known, those of directories do not', async () => {
  const of = (entry: TreeEntry): HashedEntry[] => [{ path: '/a', name: 'a', entry }];
  const known = { xattrDigest: digestOf('capability') };
  assert.is.not(await hashForged(of({ ...FILE, ...known })), await hashForged(of(FILE)));
  const directory: TreeEntry = { ...FILE, type: 'directory', size: 0 };
  assert.is(await hashForged(of({ ...directory, ...known })), await hashForged(of(directory)));
});

test('fields cannot run into each other', async () => {
  const one = await hashForged([{ path: '/a', name: 'ab', entry: FILE }]);
  const names = ['a', 'b'].map((name) => ({ path: `/${name}`, name, entry: FILE }));
  assert.is.not(await hashForged(names), one);
});

test('the order of the entries does not matter', async () => {
  const names = fc.uniqueArray(
    fc.string({ unit: 'binary', maxLength: 8 }).map((name) => name.replaceAll('\0', '')),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(
      names.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
      async ([all, shuffled]) => {
        const entries = (list: readonly string[]): HashedEntry[] =>
          list.map((name) => ({ path: `/${name}`, name, entry: FILE }));
        assert.is(await hashForged(entries(all)), await hashForged(entries(shuffled)));
      },
    ),
    { numRuns: 25 },
  );
});

test('a name twice is a bug of the caller', async () => {
  const twice = ['/a', '/b'].map((path) => ({ path, name: 'a', entry: FILE }));
  try {
    await hashForged(twice);
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /selected twice/);
  }
});

test('a real tree: touching changes nothing, everything else does', async () => {
  using at = rig();
  mkdirSync(at.at('dir'));
  writeFileSync(at.at('dir', 'file'), 'one');
  symlinkSync('dir/file', at.at('link'));
  const seen = new Set([await at.hash()]);
  utimesSync(at.at('dir', 'file'), 1, 1);
  utimesSync(at.at('dir'), 1, 1);
  assert.ok(seen.has(await at.hash()));
  const changes: readonly (() => void)[] = [
    () => writeFileSync(at.at('dir', 'file'), 'two'),
    () => execFileSync('chmod', ['600', at.at('dir', 'file')]),
    () => writeFileSync(at.at('empty'), ''),
    () => linkSync(at.at('empty'), at.at('empty too')),
    () => execFileSync('ln', ['-sfn', 'elsewhere', at.at('link')]),
    () => execFileSync('mkfifo', [at.at('pipe')]),
    () => rmSync(at.at('dir'), { recursive: true }),
  ];
  for (const change of changes) {
    change();
    const digest = await at.hash();
    assert.not.ok(seen.has(digest));
    seen.add(digest);
  }
});

test('files of every size are read whole', async () => {
  const limit = 256 * 1024;
  const tens = Buffer.alloc(limit * 9 + 1, '0123456789');
  for (const size of [0, 1, limit - 1, limit, limit + 1, 4 * limit, tens.length]) {
    using at = rig();
    writeFileSync(at.at('file'), tens.subarray(0, size));
    const digest = await at.hash({ clock: () => Date.now() + 10_000 });
    const entry = at.tree().lstat('/file');
    assert.is(at.memo.get(entry?.statKey ?? ''), digestOf(tens.subarray(0, size)), `${size} bytes`);
    assert.is(await at.hash(), digest);
  }
});

test('names that are not UTF-8 are reached and told apart', async () => {
  using at = rig();
  const digests = new Set<Digest>();
  for (const byte of [0xe9, 0xe8]) {
    const raw = Buffer.concat([Buffer.from(`${at.context}/caf`), Buffer.of(byte)]);
    writeFileSync(raw, 'content');
    assert.equal(encodePath(decodePath(raw)), raw);
    digests.add(await at.hash());
    rmSync(raw);
  }
  assert.is(digests.size, 2);
});

test('a file that is remembered is not read again', async () => {
  using at = rig();
  writeFileSync(at.at('file'), 'content');
  const tree = at.tree();
  const entries = entriesOf(tree);
  const options = { memo: at.memo, resetOwner: true, clock: () => Date.now() + 10_000 };
  const digest = await hashEntries(tree, entries, options);
  rmSync(at.at('file'));
  assert.is(await hashEntries(tree, entries, options), digest);
});

test('a file that was changed a moment ago is not remembered', async () => {
  using at = rig();
  writeFileSync(at.at('file'), 'content');
  const statKey = at.tree().lstat('/file')?.statKey ?? '';
  await at.hash();
  assert.is(at.memo.get(statKey), undefined);
  // An old mtime does not help: times can be set.
  utimesSync(at.at('file'), 1, 1);
  const touched = at.tree().lstat('/file')?.statKey ?? '';
  await at.hash();
  assert.is(at.memo.get(touched), undefined);
  await at.hash({ clock: () => Date.now() + 10_000 });
  assert.is(at.memo.get(touched), digestOf('content'));
});

test('a file that was changed since the walk is not remembered', async () => {
  using at = rig();
  writeFileSync(at.at('file'), 'content');
  const tree = at.tree();
  const entries = entriesOf(tree);
  appendFileSync(at.at('file'), ', and more');
  await hashEntries(tree, entries, { memo: at.memo, resetOwner: true, clock: () => Date.now() + 10_000 });
  assert.is(at.memo.get(tree.lstat('/file')?.statKey ?? ''), undefined);
});

/** A context so large that its selection is remembered as a whole, with a memo that counts what it is asked for. */
function largeRig() {
  const at = rig();
  for (let i = 0; i < 250; i++) writeFileSync(at.at(`file ${i}`), `${i}`);
  let asked = 0;
  const memo: ContentMemo = {
    load: () => at.memo.load(),
    get: (key) => (asked++, at.memo.get(key)),
    set: (key, digest) => at.memo.set(key, digest),
    save: () => at.memo.save(),
  };
  return {
    ...at,
    /** With how often the memo was asked. */
    async hashCounting(clock: () => number = () => Date.now() + 10_000): Promise<[Digest, number]> {
      asked = 0;
      const digest = await at.hash({ memo, clock });
      return [digest, asked];
    },
    /** What a memo that knows nothing makes of it. */
    async hashAnew(): Promise<Digest> {
      using dir = tempDir();
      return await at.hash({ memo: emptyMemo(dir) });
    },
  };
}

test('an unchanged large selection is one look-up', async () => {
  using at = largeRig();
  const [first, asked] = await at.hashCounting();
  assert.ok(asked > 250);
  assert.equal(await at.hashCounting(), [first, 1]);
  assert.is(first, await at.hashAnew());
});

test('a large selection is not remembered while one of its files may still change', async () => {
  using at = largeRig();
  await at.hashCounting();
  writeFileSync(at.at('file 7'), 'x');
  const [digest] = await at.hashCounting(Date.now);
  assert.is(digest, await at.hashAnew());
  assert.ok((await at.hashCounting())[1] > 250, 'asked file by file');
  assert.equal(await at.hashCounting(), [digest, 1]);
});

test('whatever changes in a large selection, what is remembered is not used', async () => {
  using at = largeRig();
  symlinkSync('one', at.at('link'));
  const changes: readonly (() => void)[] = [
    () => writeFileSync(at.at('file 1'), 'other'),
    () => chmodSync(at.at('file 2'), 0o755),
    () => chmodSync(at.context, 0o700),
    () => renameSync(at.at('file 3'), at.at('file x')),
    () => rmSync(at.at('file 4')),
    () => mkdirSync(at.at('new')),
    () => (rmSync(at.at('link')), symlinkSync('two', at.at('link'))),
    () => (rmSync(at.at('file 5')), linkSync(at.at('file 6'), at.at('file 5'))),
  ];
  let [before] = await at.hashCounting();
  for (const change of changes) {
    change();
    const [after] = await at.hashCounting();
    assert.is.not(after, before, change.toString());
    assert.is(after, await at.hashAnew(), change.toString());
    before = after;
  }
});

test('a large selection with its owners is another one than without', async () => {
  using at = largeRig();
  const tree = at.tree();
  const entries = entriesOf(tree);
  const given = entries.map((item): HashedEntry => ({ ...item, entry: { ...item.entry, uid: 1234 } }));
  const hash = (of: readonly HashedEntry[], resetOwner: boolean): Promise<Digest> =>
    hashEntries(tree, of, { memo: at.memo, resetOwner, clock: () => Date.now() + 10_000 });
  assert.is(await hash(entries, true), await hash(given, true));
  assert.is.not(await hash(entries, false), await hash(given, false));
});

test('a file that is gone, or is no file any more, is an error and nothing to wait for', async () => {
  const becomes: readonly ((path: string) => void)[] = [
    () => {},
    (path) => mkdirSync(path),
    (path) => symlinkSync('/etc/passwd', path),
    (path) => execFileSync('mkfifo', [path]),
  ];
  for (const become of becomes) {
    using at = rig();
    for (let i = 0; i < 20; i++) writeFileSync(at.at(`file ${i}`), `${i}`);
    const tree = at.tree();
    const entries = entriesOf(tree);
    rmSync(at.at('file 7'));
    become(at.at('file 7'));
    assert.is(await codeOf(hashEntries(tree, entries, { memo: at.memo, resetOwner: true })), 'source-changed');
  }
});

test('stops when it is told to', async () => {
  using at = rig();
  writeFileSync(at.at('file'), 'content');
  assert.is(await codeOf(at.hash({ signal: AbortSignal.abort('enough') })), 'cancelled');
});

test.run();
