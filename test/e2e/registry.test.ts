import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MediaType } from '../../src/oci/types.ts';
import { busyboxTar, Lab, wasCached } from '../support/e2e.ts';
import { json, testImage } from '../support/images.ts';
import { privileged } from '../support/privileged.ts';
import { openRealRegistry } from '../support/registry.ts';

const test = privileged(suite('base images from a registry, end to end'));

/** One layer with busybox, one that takes something away and adds something. */
function baseImage(mark: string): ReturnType<typeof testImage> {
  const change = execFileSync(
    'sh',
    [
      '-c',
      `d=$(mktemp -d) && cd "$d" && mkdir etc && touch etc/.wh.group && echo ${mark} > mark && tar -c --numeric-owner --owner=0 --group=0 --mtime=@0 etc/.wh.group mark && rm -r "$d"`,
    ],
    { maxBuffer: 1 << 20 },
  );
  return testImage({
    layers: [busyboxTar(), change],
    config: { Env: ['PATH=/bin', `MARK=${mark}`], Cmd: ['cat', '/mark'] },
  });
}

test('FROM pulls from a registry, once; later builds do without it', async () => {
  await using lab = await Lab.open({ empty: true });
  const dockerfile = (host: string) => `FROM ${host}/team/base:v1\nRUN cat /mark > /copied; test ! -e /etc/group\n`;
  let dir: string;
  {
    await using registry = await openRealRegistry();
    await registry.push('team/base', 'v1', baseImage('first'));
    dir = await lab.context('app', { Dockerfile: dockerfile(registry.host) });
    await lab.ok(['-t', 'app', dir]);
    assert.is(await lab.sh('app', 'cat /copied; echo $MARK'), 'first\nfirst\n');
  }
  const offline = await lab.ok(['-t', 'app', dir]);
  assert.ok(wasCached(offline, 'RUN cat /mark'));
});

test('a moved tag is noticed with --pull, and only then', async () => {
  await using lab = await Lab.open({ empty: true });
  await using registry = await openRealRegistry();
  await registry.push('base', 'v1', baseImage('first'));
  const dir = await lab.context('app', { Dockerfile: `FROM ${registry.host}/base:v1\nRUN cat /mark > /copied\n` });
  await lab.ok(['-t', 'app', dir]);
  await registry.push('base', 'v1', baseImage('second'));
  await lab.ok(['-t', 'app', dir]);
  assert.is(await lab.sh('app', 'cat /copied'), 'first\n');
  await lab.ok(['-t', 'app', '--pull', dir]);
  assert.is(await lab.sh('app', 'cat /copied'), 'second\n');
});

test('a base that nothing reads is not downloaded', async () => {
  await using lab = await Lab.open({ empty: true });
  await using registry = await openRealRegistry();
  await registry.push('base', 'v1', baseImage('first'));
  await lab.build('app', `FROM ${registry.host}/base:v1\nLABEL a=b\nCMD ["cat", "/mark"]\n`);
  assert.not.ok(existsSync(join(lab.store, 'snapshots/committed')));
  assert.is((await lab.ok(['run', '--rm', 'app'])).stdout, 'first\n');
});

test('of an index, the image for the wanted platform is taken', async () => {
  await using lab = await Lab.open({ empty: true });
  await using registry = await openRealRegistry();
  const native = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const mine = baseImage('mine');
  const other = testImage({ layers: ['other'], architecture: 's390x' });
  for (const [tag, image] of [
    ['mine', mine],
    ['other', other],
  ] as const)
    await registry.push('multi', tag, image);
  const index = json({
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [
      { ...other.image.target, platform: { os: 'linux', architecture: 's390x' } },
      { ...mine.image.target, platform: { os: 'linux', architecture: native } },
    ],
  });
  await registry.pushManifest('multi', 'all', index, MediaType.ociIndex);
  await lab.ok(['pull', `${registry.host}/multi:all`]);
  assert.is((await lab.ok(['run', '--rm', `${registry.host}/multi:all`])).stdout, 'mine\n');
  const missing = await lab.run(['pull', '--platform', 'linux/riscv64', `${registry.host}/multi:all`]);
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /linux\/riscv64/);
  assert.match(missing.stderr, /linux\/s390x/);
});

test('a name that the registry does not have', async () => {
  await using lab = await Lab.open({ empty: true });
  await using registry = await openRealRegistry();
  const dir = await lab.context('app', { Dockerfile: `FROM ${registry.host}/nothing:here\nRUN true\n` });
  const outcome = await lab.run(['build', dir]);
  assert.is(outcome.code, 4, outcome.stderr);
  assert.match(outcome.stderr, /Dockerfile:1/);
  assert.match(outcome.stderr, /nothing:here/);
});

test.run();
