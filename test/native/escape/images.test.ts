/** Images and options made to lead the runtime out of the root: nothing outside changes, and nothing of it is seen. */
import * as assert from 'uvu/assert';
import { containerSuite } from '../../support/container.ts';
import { attemptsOf } from './attempts/group.ts';
import { IMAGES } from './attempts/images.ts';
import { Canary, imageWith, outcome } from './support.ts';

containerSuite('escapes: images and options', (test) => {
  for (const attempt of attemptsOf(IMAGES)) {
    test(attempt.name, async (rig) => {
      const canary = new Canary(rig);
      const rootfs = imageWith(rig, (layer) => attempt.image?.(layer, canary.path));
      const spec = rig.spec(attempt.script?.(canary.path) ?? 'echo started; pwd', {
        rootfs,
        ...attempt.options?.(canary.path, rig),
      });
      const found = await outcome(rig, spec);
      if (typeof attempt.want === 'string') assert.is(found, attempt.want);
      else assert.match(found, attempt.want);
      assert.equal(canary.changes(), []);
    });
  }
});
