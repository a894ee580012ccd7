/**
 * Layer archives made to write, link or read outside of the layer. Each is unpacked above lower layers with links that lead out, where a
 * canary must stay as it is; then the stack is run, to see what the container sees.
 */
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { BuildError } from '../../../src/core/errors.ts';
import { applyLayer } from '../../../src/layer/apply.ts';
import type { RawEntry } from '../../layer/support.ts';
import { chunked, nativeFiles, pax, picture, tarOf } from '../../layer/support.ts';
import type { ContainerRig } from '../../support/container.ts';
import { containerSuite } from '../../support/container.ts';
import { Canary } from './support.ts';

interface LayerAttempt {
  readonly name: string;
  /** OUT in names and links is the canary's path without its first slash. */
  readonly entries: readonly RawEntry[];
  /** The error, or lines that the unpacked layer has (without times). */
  readonly want: string | readonly string[];
}

const file = (name: string, content = 'evil', mode = 0o644): RawEntry => ({ name, content, mode });
const dir = (name: string): RawEntry => ({ name, type: '5', mode: 0o755 });
const soft = (name: string, link: string): RawEntry => ({ name, type: '2', link, mode: 0o777 });
const hard = (name: string, link: string): RawEntry => ({ name, type: '1', link });
const up = '../'.repeat(12);

const ATTEMPTS: readonly LayerAttempt[] = [
  { name: 'a name with ..', entries: [file('../canary')], want: 'path-escape' },
  { name: 'a name with .. inside', entries: [dir('a'), file('a/../../f')], want: 'path-escape' },
  { name: 'an absolute name', entries: [file('/etc/f')], want: ['d755 0:0 etc', '-644 0:0 etc/f "evil"'] },
  { name: 'an absolute name with ..', entries: [file('/../OUT/file')], want: 'path-escape' },
  { name: 'a link, and a file through it', entries: [soft('l', '/OUT'), file('l/file')], want: [] },
  { name: 'a relative link, and a file through it', entries: [soft('l', `${up}OUT`), file('l/file')], want: [] },
  { name: 'a link to .., and a file through it', entries: [soft('l', '..'), file('l/f')], want: [] },
  {
    name: 'a link, and a file in its place',
    entries: [soft('l', '/OUT/file'), file('l')],
    want: ['-644 0:0 l "evil"'],
  },
  { name: 'a link, and a directory in its place', entries: [soft('l', '/OUT'), dir('l'), file('l/f')], want: [] },
  {
    name: 'a directory that becomes a link between two files',
    entries: [dir('d'), file('d/a'), soft('d', '/OUT'), file('d/file')],
    want: [],
  },
  { name: 'a link of the layer below, and a file through it', entries: [file('out/file')], want: [] },
  { name: 'a relative link of the layer below', entries: [file('relative/file'), dir('relative/new')], want: [] },
  { name: 'a link of the layer below to the root', entries: [file('top/f')], want: ['-644 0:0 f "evil"'] },
  { name: 'a hard link with ..', entries: [hard('h', '../canary/file')], want: 'path-escape' },
  { name: 'an absolute hard link', entries: [hard('h', '/OUT/file')], want: 'invalid-archive' },
  { name: 'a hard link through a link', entries: [soft('l', '/OUT'), hard('h', 'l/file')], want: 'invalid-archive' },
  { name: 'a hard link through a link below', entries: [hard('h', 'out/file')], want: 'invalid-archive' },
  {
    // What is written to the name must not go through the link that shares its inode.
    name: 'a hard link to a link, and a file in its place',
    entries: [soft('l', '/OUT/file'), hard('h', 'l'), file('h')],
    want: ['-644 0:0 h "evil"'],
  },
  { name: 'a hard link to a directory', entries: [dir('d'), hard('h', 'd')], want: 'invalid-archive' },
  { name: 'a hard link to itself', entries: [file('h'), hard('h', 'h')], want: ['-644 0:0 h "evil"'] },
  { name: 'a whiteout of ..', entries: [file('.wh...', '')], want: 'path-escape' },
  { name: 'a whiteout of .', entries: [file('.wh..', '')], want: 'path-escape' },
  { name: 'a whiteout of nothing', entries: [file('.wh.', '')], want: 'path-escape' },
  { name: 'a whiteout through a link', entries: [soft('l', '/OUT'), file('l/.wh.file', '')], want: [] },
  { name: 'a whiteout through a link below', entries: [file('out/.wh.file', '')], want: [] },
  { name: 'an opaque marker through a link below', entries: [file('out/.wh..wh..opq', '')], want: [] },
  {
    name: 'an opaque marker that is a link',
    entries: [dir('d'), soft('d/.wh..wh..opq', '/OUT')],
    want: ['d755 0:0 d'],
  },
  {
    name: 'a path of PAX in place of the name',
    entries: [pax(['path', '../canary']), file('ok')],
    want: 'path-escape',
  },
  { name: 'a link of PAX', entries: [pax(['linkpath', '../../OUT/file']), hard('h', 'ok')], want: 'path-escape' },
  {
    name: 'a size of PAX that is larger than the archive',
    entries: [pax(['size', '9007199254740991']), file('a')],
    want: 'invalid-archive',
  },
  {
    name: 'a size of PAX beyond 64 bits',
    entries: [pax(['size', '99999999999999999999999']), file('a')],
    want: 'invalid-archive',
  },
  { name: 'a name of 5,000 bytes', entries: [pax(['path', 'a/'.repeat(2500)]), file('a')], want: 'limit-exceeded' },
  {
    name: 'a part of a name of 300 bytes',
    entries: [pax(['path', 'n'.repeat(300)]), file('a')],
    want: 'path-conflict',
  },
  { name: 'PAX records of 2 MiB', entries: [pax(['comment', 'x'.repeat(2 << 20)]), file('a')], want: 'limit-exceeded' },
  {
    // chown clears the bit, so a wrong order loses it; a worse one sets it before the owner.
    name: 'a set-user-ID file of another user',
    entries: [{ name: 's', content: 'x', mode: 0o4755, uid: 1000, gid: 1000 }],
    want: ['-4755 1000:1000 s "x"'],
  },
  {
    name: 'a set-user-ID hard link that takes the bit to a name below',
    entries: [
      { name: 's', content: 'x', mode: 0o755 },
      { ...hard('t', 's'), mode: 0o4755 },
    ],
    want: ['-755 0:0 s "x" = first', '-755 0:0 t "x" = s'],
  },
  {
    name: 'a device of the disk, and a file through it',
    entries: [{ name: 'disk', type: '4', major: 8, minor: 0 }, file('disk')],
    want: ['-644 0:0 disk "evil"'],
  },
  {
    name: 'a pipe, and a file in its place',
    entries: [{ name: 'p', type: '6' }, file('p')],
    want: ['-644 0:0 p "evil"'],
  },
  { name: 'a root that is a file', entries: [file('.')], want: 'invalid-archive' },
  { name: 'a root that is a link', entries: [soft('./', '/OUT'), file('f')], want: 'invalid-archive' },
];

/** A layer of links below, as an earlier layer of the same image may have them. */
function lowerLayer(rig: ContainerRig, out: string): string {
  const layer = rig.fresh('lower');
  symlinkSync(out, join(layer, 'out'));
  symlinkSync(`${up}${out}`, join(layer, 'relative'));
  symlinkSync('/', join(layer, 'top'));
  return layer;
}

containerSuite('escapes: layers', (test) => {
  const files = nativeFiles();

  for (const attempt of ATTEMPTS) {
    test(attempt.name, async (rig) => {
      const canary = new Canary(rig);
      const out = (text: string | Buffer | undefined): string | Buffer =>
        typeof text === 'string' ? text.replaceAll('OUT', canary.path.slice(1)) : (text ?? '');
      const lower = lowerLayer(rig, canary.path);
      const upper = rig.fresh('upper');
      const entries = attempt.entries.map((entry) =>
        entry.type === 'x' ? { ...entry } : { ...entry, name: out(entry.name), link: out(entry.link) },
      );
      let found: string | readonly string[];
      try {
        await applyLayer(files, chunked(tarOf(...entries), 4096), upper, { lower: [lower] });
        found = picture(upper, { times: false });
      } catch (error) {
        if (!(error instanceof BuildError)) throw error;
        found = error.code;
      }
      assert.equal(canary.changes(), []);
      if (typeof attempt.want === 'string') assert.is(found, attempt.want);
      else for (const line of attempt.want) assert.ok(found.includes(line), JSON.stringify(found));
      if (typeof found === 'string') return;
      // What the layer has, no container may see as more.
      const rootfs = {
        kind: 'overlay',
        lower: [rig.base, lower, upper],
        upper: rig.fresh(),
        work: rig.fresh(),
        volatile: true,
      } as const;
      const script = `cat ${canary.path}/file 2>/dev/null; ls -d /out /relative >/dev/null; echo done`;
      const seen = await rig.output(script, { rootfs });
      assert.not.match(seen, 'canary');
    });
  }

  test('attributes that steer overlays do not come out of a layer', async (rig) => {
    const upper = rig.fresh('upper');
    const attributes = [
      'trusted.overlay.redirect',
      'trusted.overlay.opaque',
      'trusted.overlay.metacopy',
      'user.overlay.opaque',
    ];
    const records = attributes.map((name) => [`SCHILY.xattr.${name}`, name.endsWith('opaque') ? 'y' : '/'] as const);
    const entries = [
      pax(...records),
      dir('d'),
      pax(...records),
      file('f'),
      pax(['SCHILY.xattr.user.kept', 'x']),
      file('k'),
    ];
    let code = '';
    try {
      await applyLayer(files, chunked(tarOf(...entries)), upper);
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      code = error.code;
    }
    const program = rig.compile(join(import.meta.dirname, 'tool.c'));
    const list = (name: string): string =>
      execFileSync(join(program, 'program'), ['attributes', join(upper, name)], { encoding: 'utf8' });
    assert.is(code, '');
    assert.is(list('d'), '');
    assert.is(list('f'), '');
    assert.is(list('k'), 'user.kept\n', 'others are kept');
    assert.equal((await files.scanLayer(upper)).opaqueDirs, []);
  });
});
