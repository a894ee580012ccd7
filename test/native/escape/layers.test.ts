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
import { chunked, nativeFiles, pax, picture, tarOf } from '../../layer/support.ts';
import type { ContainerRig } from '../../support/container.ts';
import { containerSuite } from '../../support/container.ts';
import { attemptsOf } from './attempts/group.ts';
import { dir, file, LAYERS, up } from './attempts/layers.ts';
import { Canary } from './support.ts';

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

  for (const attempt of attemptsOf(LAYERS)) {
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
