/** COPY against a model that does the same to a directory of the host, one system call after the other. */
import type { Stats } from 'node:fs';
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalTree } from '../../src/context/local.ts';
import { BuildError, errnoOf } from '../../src/core/errors.ts';
import { copySource } from '../../src/executor/copy.ts';
import { Destination } from '../../src/executor/destination.ts';
import { select } from '../../src/executor/selection.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import { copyAction } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';

const suiteOfModel = suite('copy model');
const test = privileged(suiteOfModel);

class Conflict extends Error {}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Links followed inside `root`, all of them; what does not exist is kept. */
function rootPath(root: string, path: string): string {
  let pending = path.split('/').filter(Boolean);
  let current: string[] = [];
  for (let steps = 0; pending.length > 0; steps++) {
    if (steps > 600) throw new Conflict('loop');
    const part = pending.shift() ?? '';
    if (part === '.') continue;
    if (part === '..') {
      current.pop();
      continue;
    }
    const host = join(root, ...current, part);
    if (look(host)?.isSymbolicLink() === true) {
      const target = readlinkSync(host);
      if (target.startsWith('/')) current = [];
      pending = [...target.split('/').filter(Boolean), ...pending];
    } else current.push(part);
  }
  return join(root, ...current);
}

function makeAll(root: string, host: string): void {
  if (host.length <= root.length) return;
  makeAll(root, dirname(host));
  const stats = look(host);
  if (stats === undefined) mkdirSync(host);
  else if (!stats.isDirectory()) throw new Conflict(host);
}

function modelCopy(root: string, source: string, sourcePath: string, destination: string): void {
  const from = rootPath(source, sourcePath);
  const isDirectory = lstatSync(from).isDirectory();
  makeAll(root, rootPath(root, destination.endsWith('/') ? destination : dirname(destination)));
  let target = rootPath(root, normalize(destination));
  const existing = look(target);
  if (!isDirectory && existing?.isDirectory() === true) target = join(target, basename(sourcePath));
  makeAll(root, isDirectory && existing === undefined ? target : dirname(target));
  copyTree(from, target);
}

function copyTree(from: string, to: string): void {
  const stats = lstatSync(from);
  const existing = look(to);
  if (stats.isDirectory()) {
    if (existing === undefined) mkdirSync(to);
    else if (!existing.isDirectory()) throw new Conflict(to);
    for (const name of readdirSync(from)) copyTree(join(from, name), join(to, name));
    return;
  }
  if (existing?.isDirectory() === true) throw new Conflict(to);
  if (existing !== undefined) rmSync(to);
  if (stats.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else copyFileSync(from, to);
}

function listingOf(dir: string, prefix = ''): string[] {
  return readdirSync(join(dir, prefix))
    .sort()
    .flatMap((name) => {
      const path = `${prefix}/${name}`;
      const stats = lstatSync(join(dir, path));
      if (stats.isDirectory()) return [`${path}/`, ...listingOf(dir, path)];
      return [stats.isSymbolicLink() ? `${path} -> ${readlinkSync(join(dir, path))}` : `${path} ${stats.size}`];
    });
}

type Item = {
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'link';
  readonly target: string;
  readonly size: number;
};

const name = fc.constantFrom('a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const target = fc.oneof(
  path.map((to) => `/${to}`),
  path.map((to) => `../${to}`),
  name,
  fc.constant('../../../..'),
);
const items = fc.array(
  fc.record({ path, kind: fc.constantFrom('directory', 'file', 'link'), target, size: fc.nat(9) }),
  { minLength: 1, maxLength: 8 },
) as fc.Arbitrary<Item[]>;
const destination = fc.tuple(path, fc.constantFrom('', '/')).map(([to, slash]) => `/${to}${slash}`);

/** Makes what can be made; of two claims to a path the first wins. */
function build(dir: string, list: readonly Item[]): void {
  mkdirSync(dir);
  for (const { path: at, kind, target: to, size } of list) {
    try {
      makeAll(dir, dirname(join(dir, at)));
      if (kind === 'directory') mkdirSync(join(dir, at));
      else if (kind === 'link') symlinkSync(to, join(dir, at));
      else writeFileSync(join(dir, at), 'x'.repeat(size), { flag: 'wx' });
    } catch (error) {
      if (!(error instanceof Conflict) && errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

test('a copy into a random tree does what the model does', async () => {
  const files = createNativeFiles({ binaryPath: findRuntimeBinary() });
  const copy = fc.record({
    source: fc.oneof(
      fc.constant('/'),
      path.map((at) => `/${at}`),
    ),
    destination,
  });
  let succeeded = 0;
  await fc.assert(
    fc.asyncProperty(items, items, fc.array(copy, { minLength: 1, maxLength: 3 }), async (base, source, copies) => {
      await using temp = await tempDir();
      const [from, actual, model] = ['source', 'actual', 'model'].map((part) => join(temp.path, part)) as [
        string,
        string,
        string,
      ];
      build(from, source);
      for (const dir of [actual, model]) build(dir, base);
      const tree = new LocalTree(from);
      // What cannot be selected is no copy.
      const wanted = copies.filter((one) => {
        try {
          return select(tree, { source: one.source, wildcard: false, exclude: [] }).length > 0;
        } catch (error) {
          if (error instanceof BuildError) return false;
          throw error;
        }
      });
      let expected: 'copied' | 'conflict' = 'copied';
      try {
        for (const one of wanted) modelCopy(model, from, one.source, one.destination);
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
        expected = 'conflict';
      }
      const outcome = await perform();
      assert.is(outcome, expected, JSON.stringify({ base, source, wanted }));
      if (outcome === 'copied') {
        succeeded++;
        assert.equal(listingOf(actual), listingOf(model));
      }

      async function perform(): Promise<'copied' | 'conflict'> {
        await using writer = files.openWriter({ kind: 'directory', path: actual });
        const into = new Destination(new LocalTree(actual), writer);
        const context = { tree, destination: into, owner: undefined, signal: new AbortController().signal };
        try {
          for (const one of wanted) {
            const selection = { source: one.source, wildcard: false, exclude: [] };
            for (const selected of select(tree, selection)) {
              await copySource(copyAction({ selection, destination: one.destination }), selected, context);
            }
          }
          await writer.close();
          return 'copied';
        } catch (error) {
          if (error instanceof BuildError && error.code === 'path-conflict') return 'conflict';
          throw error;
        }
      }
    }),
    { numRuns: 40 },
  );
  assert.ok(succeeded > 8, 'enough of the copies were possible');
});

suiteOfModel.run();
