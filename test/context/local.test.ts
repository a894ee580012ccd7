import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDockerignore } from '../../src/context/dockerignore.ts';
import { LocalTree } from '../../src/context/local.ts';
import { fsPath } from '../../src/core/path-bytes.ts';
import { throwsWith } from '../support/assert.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('local context');

function fill(root: string, files: readonly string[]): void {
  for (const file of files) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), file);
  }
}

/** Every visible path but the root. */
function walk(tree: LocalTree, path = '/'): string[] {
  return tree.readdir(path).flatMap((name) => {
    const child = path === '/' ? `/${name}` : `${path}/${name}`;
    return tree.lstat(child)?.type === 'directory' ? [child, ...walk(tree, child)] : [child];
  });
}

function open(root: string, ...patterns: string[]): LocalTree {
  if (patterns.length === 0) return new LocalTree(root);
  return new LocalTree(root, { ignore: parseDockerignore({ name: '.dockerignore', text: patterns.join('\n') }) });
}

test('shows a directory in byte order, with the link to it resolved', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['real/b', 'real/B', 'real/a/x', 'real/é', 'real/.dot']);
  symlinkSync('real', join(temp.path, 'link'));
  const tree = open(join(temp.path, 'link'));
  assert.is(tree.root, join(temp.path, 'real'));
  assert.equal(walk(tree), ['/.dot', '/B', '/a', '/a/x', '/b', '/é']);
  assert.is(readFileSync(tree.hostPath('/a/x'), 'utf8'), 'real/a/x');
});

test('never looks through a link', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['context/f', 'outside/secret']);
  symlinkSync('../outside', join(temp.path, 'context/way'));
  const tree = open(join(temp.path, 'context'));
  assert.is(tree.lstat('/way')?.type, 'symlink');
  assert.is(tree.readlink('/way'), '../outside');
  assert.is(tree.lstat('/way/secret'), undefined);
  assert.throws(() => tree.readdir('/way'), /ENOTDIR/);
});

test('ignored entries do not exist, and it says why', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['a/1', 'a/b/2', 'a/c/3', 'x.md', 'README.md', 'deep/er/keep', 'deep/other']);
  const tree = open(temp.path, 'a', '!a/b', '*.md', '!README.md', 'deep', '!deep/er/keep');
  assert.equal(walk(tree), ['/README.md', '/a', '/a/b', '/a/b/2', '/deep', '/deep/er', '/deep/er/keep']);
  assert.is(tree.lstat('/x.md'), undefined);
  assert.is(tree.lstat('/a/c/3'), undefined);
  assert.is(tree.hiddenBy('/a/c/3'), '.dockerignore');
  assert.is(tree.hiddenBy('/nowhere'), undefined);
  assert.is(tree.hiddenBy('/README.md'), undefined);
});

test('a directory of which nothing is taken back stays hidden', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['a/1', 'b/keep/2']);
  mkdirSync(join(temp.path, 'empty'));
  assert.equal(walk(open(temp.path, '*', '!**/keep')), ['/b', '/b/keep', '/b/keep/2']);
});

test('tells types, modes, hard links and times apart', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['a', 'c']);
  linkSync(join(temp.path, 'a'), join(temp.path, 'b'));
  execFileSync('mkfifo', ['-m', '640', join(temp.path, 'pipe')]);
  execFileSync('touch', ['-d', '2001-02-03T04:05:06.123456789Z', join(temp.path, 'c')]);
  const tree = open(temp.path);
  assert.is(tree.lstat('/pipe')?.type, 'fifo');
  assert.is(tree.lstat('/pipe')?.mode, 0o640);
  assert.is(tree.lstat('/a')?.hardLinkId, tree.lstat('/b')?.hardLinkId);
  assert.ok(tree.lstat('/a')?.hardLinkId);
  assert.is(tree.lstat('/c')?.hardLinkId, undefined);
  assert.is(tree.lstat('/c')?.mtimeNs, 981_173_106_123_456_789n);
  assert.is(tree.lstat('/c')?.size, 1);
});

test('the key of a file changes with its content, even when size and time do not', async () => {
  await using temp = await tempDir();
  const file = join(temp.path, 'f');
  const write = (text: string): string | undefined => {
    writeFileSync(file, text);
    execFileSync('touch', ['-d', '2020-01-01T00:00:00Z', file]);
    return open(temp.path).lstat('/f')?.statKey;
  };
  assert.is.not(write('one'), write('two'));
});

test('one tree sees one state of the directory', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['a']);
  const tree = open(temp.path);
  assert.equal(tree.readdir('/'), ['a']);
  assert.is(tree.lstat('/late'), undefined);
  fill(temp.path, ['late']);
  assert.equal(tree.readdir('/'), ['a']);
  assert.is(tree.lstat('/late'), undefined);
});

test('a path that is too long to be opened is an error, a name that cannot exist is not there', async () => {
  await using temp = await tempDir();
  const levels = Array.from({ length: 18 }, () => 'd'.repeat(240));
  execFileSync('sh', ['-c', `for d in ${levels.join(' ')}; do mkdir $d && cd -P $d || exit 1; done; : > file`], {
    cwd: temp.path,
  });
  try {
    throwsWith('limit-exceeded', () => walk(open(temp.path)), /more than 4095 bytes/);
  } finally {
    // Node cannot remove it either.
    execFileSync('rm', ['-rf', join(temp.path, 'd'.repeat(240))]);
  }
  assert.is(open(temp.path).lstat(`/${'x'.repeat(300)}`), undefined);
});

test('sockets are entries like others', async () => {
  await using temp = await tempDir();
  fill(temp.path, ['a']);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(temp.path, 's'), resolve));
  const tree = open(temp.path);
  const types = tree.readdir('/').map((name) => `${name} ${tree.lstat(`/${name}`)?.type}`);
  await new Promise((resolve) => server.close(resolve));
  assert.equal(types, ['a file', 's socket']);
});

test('names that are not UTF-8 come back unchanged', async () => {
  await using temp = await tempDir();
  writeFileSync(Buffer.concat([Buffer.from(`${temp.path}/x`), Buffer.of(0xff)]), 'bytes');
  const tree = open(temp.path);
  const [name = ''] = tree.readdir('/');
  assert.is(readFileSync(fsPath(tree.hostPath(`/${name}`)), 'utf8'), 'bytes');
});

test.run();
