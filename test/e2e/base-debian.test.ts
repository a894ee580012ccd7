import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { debianTar } from '../support/debian-base.ts';
import { Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('a base of Debian'));

test('the tar of scripts/base-debian.sh is a Debian whose apt knows its mirrors', async () => {
  const tar = await debianTar();
  const listed = spawnSync('tar', ['--list', '--file', tar], { encoding: 'utf8', maxBuffer: 64 << 20 });
  assert.is(listed.status, 0, listed.stderr);
  const names = listed.stdout.split('\n');
  assert.ok(names.includes('./etc/debian_version'));
  assert.equal(
    names.filter((name) => /\.deb$|_Packages|^\.\/usr\/share\/man\/man/.test(name)),
    [],
  );

  await using lab = await Lab.open({ empty: true });
  await lab.ok(['import', '-c', 'CMD ["bash"]', tar, 'debian:bookworm-slim']);
  assert.match(await lab.sh('debian:bookworm-slim', '. /etc/os-release && echo $ID && id -un'), /^debian\nroot\n$/);
  assert.match(await lab.sh('debian:bookworm-slim', 'apt-get update --print-uris'), /^'https?:.*InRelease'/m);
});

test.run();
