/** No mount of any kind may leave the old root of the host stacked on the root, where `/..` leads to it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { MountSpec } from '../../src/runtime-native/types.ts';
import type { ContainerRig } from '../support/container.ts';
import { containerSuite } from '../support/container.ts';

/** The root has no mount but itself, and everything that is mounted is reached from it. */
const LOOK = `
test "$(stat -c %d:%i /)" = "$(stat -c %d:%i /..)" && echo same
ls -A / | sort > /tmp/root; ls -A /.. | sort | cmp - /tmp/root && echo as-seen
awk '$5 == "/"' /proc/self/mountinfo | wc -l
awk '{ print $1 }' /proc/self/mountinfo > /tmp/ids; awk '$5 != "/" { print $2 }' /proc/self/mountinfo | grep -vxFf /tmp/ids; echo end`;

function sources(rig: ContainerRig): Readonly<Record<string, MountSpec>> {
  const directory = rig.fresh('source');
  mkdirSync(join(directory, 'part'));
  writeFileSync(join(directory, 'part/file'), 'content');
  const writable = { upper: rig.fresh('upper'), work: rig.fresh('work') };
  const bind = { kind: 'bind', readonly: true, recursive: true } as const;
  const overlay = { kind: 'overlay', lower: [directory], target: '/target' } as const;
  return {
    'a directory': { ...bind, source: directory, target: '/target' },
    'a file': { ...bind, source: join(directory, 'part/file'), target: '/target' },
    'a file system in memory': { kind: 'tmpfs', target: '/target', readonly: false },
    layers: overlay,
    'writable layers': { ...overlay, ...writable },
    'a part of layers': { ...overlay, subpath: '/part' },
    'a file of layers': { ...overlay, subpath: '/part/file' },
    'the whole of layers, as a part': { ...overlay, subpath: '/' },
  };
}

containerSuite('native runtime: the old root', (test) => {
  test('is gone whatever is mounted', async (rig) => {
    const mounts = sources(rig);
    for (const [name, mount] of Object.entries(mounts))
      assert.is(await rig.output(LOOK, { mounts: [mount] }), 'same\nas-seen\n1\nend', name);
    const all = Object.values(mounts).map((mount, index): MountSpec => ({ ...mount, target: `/target-${index}` }));
    assert.is(await rig.output(LOOK, { mounts: all }), 'same\nas-seen\n1\nend', 'all of them');
  });

  test('is gone where the root is a directory', async (rig) => {
    const rootfs = { kind: 'directory', path: rig.base } as const;
    assert.is(
      await rig.output(LOOK, { rootfs, mounts: Object.values(sources(rig)).slice(5, 6) }),
      'same\nas-seen\n1\nend',
    );
  });
});
