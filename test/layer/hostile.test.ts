import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { applyLayer } from '../../src/layer/apply.ts';
import type { RawEntry } from './support.ts';
import { chunked, isRoot, Lab, nativeFiles, pax, picture, tarOf } from './support.ts';

const test = suite('hostile archives');
const files = nativeFiles();

/** Names that lead out, through links, or into each other. OUT stands for the directory that must stay as it is. */
const NAMES = [
  'a',
  'b',
  'a/b',
  'a/b/c',
  './a',
  'a/',
  '/a',
  '../canary',
  'a/../../canary/f',
  '/../canary/f',
  'OUT/f',
  '/OUT/f',
  'a/OUT/f',
  '.wh.a',
  '.wh..',
  '.wh...',
  'a/.wh..wh..opq',
  '.wh..wh..opq',
  'a/.wh.OUT',
  'a/f',
  'b/f',
  'c/f',
  '.',
  '/',
  'a//b/./c',
];
const TARGETS = [
  'a',
  'b',
  '..',
  '../..',
  '../canary',
  '../canary/f',
  '/OUT',
  '/OUT/f',
  '.',
  '/',
  'a/b',
  '../../../../..',
  '/proc/self/root',
  'a/..',
];

const entry: fc.Arbitrary<RawEntry> = fc.record({
  name: fc.constantFrom(...NAMES),
  type: fc.constantFrom('0', '0', '1', '1', '2', '2', '2', '5', '3', '4', '6'),
  link: fc.constantFrom(...TARGETS),
  mode: fc.constantFrom(0o644, 0o7777, 0),
  content: fc.constantFrom('', 'overwritten'),
  major: fc.constantFrom(0, 1),
});

if (!isRoot('unpacking hostile archives')) {
  test('root is needed', () => assert.ok(true));
} else {
  test('nothing outside the root is touched, whatever is in the archive', async () => {
    let unpacked = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 10 }), fc.boolean(), async (entries, withLower) => {
        using lab = new Lab();
        const canary = lab.makeDir('canary');
        fs.writeFileSync(join(canary, 'f'), 'canary');
        fs.chmodSync(join(canary, 'f'), 0o600);
        const before = [...picture(lab.dir), String(fs.statSync(canary).mtimeMs)];
        const upper = lab.makeDir('upper');
        const lowerDir = lab.makeDir('lower');
        fs.symlinkSync(canary, join(lowerDir, 'c'));
        fs.symlinkSync('../canary', join(lowerDir, 'b'));
        const out = (text: string): string => text.replace('OUT', canary.slice(1));
        const bytes = tarOf(
          ...entries.flatMap((item) => {
            const [name, link] = [out(item.name as string), out(item.link as string)];
            return [
              pax(['path', name], ['linkpath', link]),
              { ...item, content: item.type === '0' ? item.content! : '' },
            ];
          }),
        );
        try {
          await applyLayer(files, chunked(bytes, 4096), upper, withLower ? { lower: [lowerDir] } : {});
          unpacked++;
        } catch (error) {
          assert.instance(error, BuildError);
        }
        await files.removeTree(upper);
        await files.removeTree(lowerDir);
        assert.equal([...picture(lab.dir), String(fs.statSync(canary).mtimeMs)], before);
        assert.is(fs.statSync(join(canary, 'f')).nlink, 1);
      }),
      { numRuns: 50 },
    );
    // Were everything refused, nothing would be tested.
    assert.ok(unpacked > 0);
  });
}

test.run();
