import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { RootfsSpec } from '../../src/runtime-native/types.ts';
import { makeBusyboxRootfs } from '../support/busybox-rootfs.ts';
import { containerSuite, upperOf } from '../support/container.ts';

containerSuite('native runtime: the root file system', (test) => {
  test('merges hundreds of layers, whatever their paths look like', async (rig) => {
    const layers = rig.fresh('many');
    const lower = [rig.base];
    for (let i = 0; i < 499; i++) {
      // Beyond the 255 bytes of a mount option, and with the characters that separate options.
      const layer = join(layers, `${'long,:'.repeat(30)}${i}`, 'fs');
      mkdirSync(layer, { recursive: true });
      writeFileSync(join(layer, `file-${i}`), `${i}`);
      writeFileSync(join(layer, 'same'), `${i}`);
      lower.push(layer);
    }
    for (const count of [1, 2, 200, 500]) {
      const rootfs: RootfsSpec = {
        kind: 'overlay',
        lower: lower.slice(0, count),
        upper: rig.fresh(),
        work: rig.fresh(),
        volatile: true,
      };
      const output = await rig.output('ls | grep -c ^file-; cat /same 2>/dev/null; true', { rootfs });
      assert.is(output, count === 1 ? '0' : `${count - 1}\n${count - 2}`);
    }
  });

  test('a layer that occurs twice is merged where it is topmost', async (rig) => {
    const [twice, between] = [rig.fresh('twice'), rig.fresh('between')];
    writeFileSync(join(twice, 'a'), 'twice');
    for (const name of ['a', 'b']) writeFileSync(join(between, name), 'between');
    const rootfs: RootfsSpec = {
      kind: 'overlay',
      lower: [rig.base, twice, between, twice],
      upper: rig.fresh(),
      work: rig.fresh(),
      volatile: true,
    };
    assert.is(await rig.output('cat /a /b', { rootfs }), 'twicebetween');
  });

  test('the upper directory holds exactly what the process wrote', async (rig) => {
    const layer = rig.fresh('layer');
    mkdirSync(join(layer, 'dir'));
    for (const name of ['gone', 'changed', 'dir/a', 'dir/b']) writeFileSync(join(layer, name), 'old');
    mkdirSync(join(layer, 'moved'));
    writeFileSync(join(layer, 'moved/inside'), 'x');
    const spec = rig.spec(
      'echo new > /added; rm /gone; echo more >> /changed; rm -r /dir; mkdir /dir; mv /moved /renamed; chown 1000:1000 /added',
      {
        rootfs: {
          kind: 'overlay',
          lower: [rig.base, layer],
          upper: rig.fresh('upper'),
          work: rig.fresh('work'),
          volatile: true,
        },
      },
    );
    assert.is((await rig.run(spec)).exit.code, 0);
    const upper = upperOf(spec);
    assert.equal(readdirSync(upper).sort(), ['added', 'changed', 'dir', 'gone', 'moved', 'renamed']);
    assert.is(readFileSync(join(upper, 'added'), 'utf8'), 'new\n');
    assert.is(lstatSync(join(upper, 'added')).uid, 1000);
    assert.is(readFileSync(join(upper, 'changed'), 'utf8'), 'oldmore\n');
    assert.ok(lstatSync(join(upper, 'gone')).isCharacterDevice());
    assert.ok(lstatSync(join(upper, 'moved')).isCharacterDevice());
    assert.is(readFileSync(join(upper, 'renamed/inside'), 'utf8'), 'x', 'a renamed directory is a copy, no redirect');
    assert.equal(readdirSync(join(upper, 'dir')), []);
  });

  test('an upper directory can be used again, as for a container that is started twice', async (rig) => {
    const upper = rig.fresh('upper');
    const work = rig.fresh('work');
    for (const volatile of [true, true, false]) {
      const rootfs: RootfsSpec = { kind: 'overlay', lower: [rig.base], upper, work, volatile };
      await rig.output('echo x >> /count', { rootfs });
    }
    assert.is(readFileSync(join(upper, 'count'), 'utf8'), 'x\nx\nx\n');
  });

  test('runs without any layer below', async (rig) => {
    const upper = rig.fresh('upper');
    makeBusyboxRootfs(upper);
    const rootfs: RootfsSpec = { kind: 'overlay', lower: [], upper, work: rig.fresh('work'), volatile: true };
    await rig.output('echo x > /written', { rootfs });
    assert.is(readFileSync(join(upper, 'written'), 'utf8'), 'x\n');
  });

  test('makes /proc, /sys and /dev for an image that lacks them, and lets them stay', async (rig) => {
    const layer = rig.fresh('layer');
    mkdirSync(join(layer, 'bin'));
    execFileSync('cp', [join(rig.base, 'bin/busybox'), join(layer, 'bin/sh')]);
    const upper = rig.fresh('upper');
    const rootfs: RootfsSpec = { kind: 'overlay', lower: [layer], upper, work: rig.fresh('work'), volatile: true };
    assert.is(
      await rig.output(
        'echo $(test -e /proc/self/stat; echo $?) $(test -c /dev/null; echo $?) $(test -d /sys/kernel; echo $?)',
        { rootfs },
      ),
      '0 0 0',
    );
    assert.equal(readdirSync(upper).sort(), ['dev', 'proc', 'sys']);
  });

  test('uses a plain directory as the root', async (rig) => {
    const path = rig.fresh('root');
    makeBusyboxRootfs(path);
    await rig.output('echo x > /written', {
      rootfs: { kind: 'directory', path },
      mounts: [{ kind: 'tmpfs', target: '/stub', readonly: false }],
    });
    assert.ok(existsSync(join(path, 'written')));
    assert.not(existsSync(join(path, 'stub')));
  });
});
