/** Users and groups made to gain rights: what the command's ids are, or that it is not started. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { containerSuite } from '../../support/container.ts';
import { attemptsOf } from './attempts/group.ts';
import { USERS } from './attempts/users.ts';
import { Canary, imageWith, outcome } from './support.ts';

containerSuite('escapes: users', (test) => {
  for (const attempt of attemptsOf(USERS)) {
    test(attempt.name, async (rig) => {
      const canary = new Canary(rig, { passwd: 'host:x:0:0::/:/bin/sh\n' });
      const rootfs = imageWith(rig, (layer) => {
        mkdirSync(join(layer, 'etc'));
        for (const name of ['passwd', 'group'] as const) {
          const content = attempt[name];
          const path = join(layer, 'etc', name);
          if (typeof content === 'string') writeFileSync(path, content);
          else content?.(path, canary.path);
        }
      });
      const script = 'echo "$(id -u):$(id -g) $(sed -n "s/^Groups:[[:space:]]*//p" /proc/self/status | sed "s/ *$//")"';
      const found = await outcome(rig, rig.spec(script, { rootfs, user: attempt.user }));
      if (typeof attempt.want === 'string') assert.is(found, attempt.want);
      else assert.match(found, attempt.want);
      assert.equal(canary.changes(), []);
    });
  }
});
