import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EMPTY_SCAN, EMPTY_TAR, isEmptyDirectory } from '../../src/layer/empty.ts';
import { isRoot, Lab, nativeFiles } from './support.ts';

const files = nativeFiles();
const test = suite('a layer without entries');

test('is empty until something is in it', () => {
  using lab = new Lab();
  const dir = lab.makeDir('layer');
  assert.ok(isEmptyDirectory(dir));
  writeFileSync(`${dir}/.hidden`, '');
  assert.not(isEmptyDirectory(dir));
  assert.throws(() => isEmptyDirectory(`${dir}/missing`), /ENOENT/);
});

if (!isRoot('scanning an empty layer')) {
  test.skip('is what the native binary finds and packs');
} else {
  test('is what the native binary finds and packs', async () => {
    using lab = new Lab();
    const dir = lab.makeDir('layer');
    assert.equal(await files.scanLayer(dir), EMPTY_SCAN);
    assert.equal(await files.digestLayer(dir), EMPTY_TAR);
  });
}

test.run();
