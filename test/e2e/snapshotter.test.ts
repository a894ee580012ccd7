/** Layers stacked by overlayfs, by fuse-overlayfs and by copies: all give the image that overlayfs gives for root. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DETERMINISTIC, DETERMINISTIC_STEPS, deterministicBase, EPOCH } from '../support/deterministic.ts';
import type { Outcome } from '../support/e2e.ts';
import { BIN, Lab, wasCached } from '../support/e2e.ts';
import { until } from '../support/net-lab.ts';
import type { UserCallOptions } from '../support/ordinary-user.ts';
import { OrdinaryUser, whyNoOrdinaryUser } from '../support/ordinary-user.ts';

const IMPORT = ['import', '-c', 'CMD ["sh"]', '-', 'busybox'];
type Tsbuild = (args: readonly string[], env: Record<string, string>, input?: Buffer) => Promise<Outcome>;

const test = suite('snapshotter');
const why = whyNoOrdinaryUser();
if (why !== undefined) process.stderr.write(`SKIPPED: snapshotter: ${why}\n`);
const whyNoFuse = spawnSync('fuse-overlayfs', ['--version']).error && 'fuse-overlayfs is not installed';

async function digest(tsbuild: Tsbuild, dir: string, snapshotter: string | undefined): Promise<string> {
  const env = { ...EPOCH, ...(snapshotter !== undefined && { TSBUILD_SNAPSHOTTER: snapshotter }) };
  await tsbuild(IMPORT, env, deterministicBase());
  await tsbuild(['build', '-q', '-t', 'app', dir], env);
  const again = await tsbuild(['build', '--progress', 'plain', dir], env);
  for (const step of DETERMINISTIC_STEPS) assert.ok(wasCached(again, step), step);
  // The same stack is stacked otherwise by whoever comes later.
  const { stdout } = await tsbuild(['run', '--rm', 'app', 'cat', '/all/b/sub/n', '/all/q/h'], EPOCH);
  assert.is(stdout, 'n\nhi\n');
  return JSON.parse((await tsbuild(['inspect', 'app'], env)).stdout)[0].Descriptor.digest;
}

function labOf(lab: Lab): Tsbuild {
  return (args, env, input) => lab.ok(args, { env, ...(input !== undefined && { input }) });
}

/** The device as udev makes it. */
function fuseDevice(lab: Lab): string {
  const device = join(lab.dir, 'fuse');
  return `test -e ${device} || mknod -m 666 ${device} c 10 229; mount --bind ${device} /dev/fuse`;
}

/** The context, whose times are in the layers, and what root's build of it gives. */
let contexts: Lab;
let app: string;
let expected: string;
if (why === undefined) {
  test.before(async () => {
    contexts = await Lab.open({ empty: true });
    await chmod(contexts.dir, 0o755);
    app = await contexts.context('app', DETERMINISTIC);
    await using lab = await Lab.open({ empty: true });
    expected = await digest(labOf(lab), app, 'overlay');
  });
  test.after(() => contexts[Symbol.asyncDispose]());
}

function digestTest(name: string, missing: string | undefined, body: () => Promise<void>): void {
  if (missing !== undefined) process.stderr.write(`SKIPPED: snapshotter: ${name}: ${missing}\n`);
  if (missing === undefined) test(name, body);
  else test.skip(name);
}

digestTest('copy, as root: the digest is that of overlay', why, async () => {
  await using lab = await Lab.open({ empty: true });
  assert.is(await digest(labOf(lab), app, 'copy'), expected);
});

for (const snapshotter of ['overlay', 'fuse-overlayfs', 'copy'] as const) {
  for (const ids of ['a range', 'one'] as const) {
    const missing = why ?? (snapshotter === 'fuse-overlayfs' ? whyNoFuse : undefined);
    digestTest(`${snapshotter}, with ${ids} of ids: the digest is that of root`, missing, async () => {
      await using user = await OrdinaryUser.open(ids);
      await using lab = await Lab.open({ empty: true });
      await chmod(lab.dir, 0o755);
      const tsbuild: Tsbuild = (args, env, input) =>
        user.ok(args, { env, prepare: fuseDevice(lab), ...(input !== undefined && { input }) });
      assert.is(await digest(tsbuild, app, snapshotter), expected);
      await user.isGone();
      assert.equal(readdirSync(join(user.home, '.local/share/tsbuild/snapshots/active')), []);
    });
  }
}

/** Puts the store `$s` on a file system that overlayfs takes no upper directory of; its files are in `$d`. */
const STORE_ON_FUSE = 'mkdir -p "$d" "$s" && chmod 777 "$d" && bindfs -o dev "$d" "$s"';
const whyNoBindfs = spawnSync('bindfs', ['--version']).error && 'bindfs is not installed';

/** Each step sees what the one before has left, and the last one says what its root is. */
const STEPS = `FROM busybox
COPY f /d/one
RUN rm /d/one && echo 2 > /d/two && chmod 700 /bin/busybox
RUN ls /d && rm -r /d && mkdir /d && ls -l /bin/busybox && grep " / " /proc/mounts
RUN ls -A /d | grep . || echo empty
`;

async function buildsOnFuse(tsbuild: Tsbuild, lab: Lab, root: RegExp): Promise<void> {
  await tsbuild(IMPORT, EPOCH, deterministicBase());
  const dir = await lab.context('steps', { f: 'f\n', Dockerfile: STEPS });
  const { stderr } = await tsbuild(['build', '--progress', 'plain', dir], EPOCH);
  assert.match(stderr, / two\n.* -rwx------ /);
  assert.match(stderr, / empty$/m);
  assert.match(stderr, root);
}

digestTest('auto, as root, where overlayfs refuses: layers are copied', why ?? whyNoBindfs, async () => {
  const inner = `d=$TSBUILD_ROOT.files; s=$TSBUILD_ROOT; ${STORE_ON_FUSE} && exec ${BIN} "$@"`;
  const text = `#!/bin/sh\nexec unshare -m --propagation private sh -c '${inner}' sh "$@"\n`;
  await using scripts = await Lab.open({ empty: true });
  const bin = join(await scripts.context('bin', { tsbuild: { text, mode: 0o755 } }), 'tsbuild');
  await using lab = await Lab.open({ empty: true, bin });
  await buildsOnFuse(labOf(lab), lab, / \/ fuse(?!\.fuse-overlayfs)/);
  const refused = await lab.run(['build', '--no-cache', join(lab.dir, 'steps')], {
    env: { TSBUILD_SNAPSHOTTER: 'overlay' },
  });
  assert.is(refused.code, 125, refused.stderr);
});

for (const [device, missing] of [
  ['without', why ?? whyNoBindfs],
  ['with', why ?? whyNoBindfs ?? whyNoFuse],
] as const) {
  digestTest(`auto, with a range of ids, where overlayfs refuses, ${device} /dev/fuse`, missing, async () => {
    await using user = await OrdinaryUser.open('a range');
    await using lab = await Lab.open({ empty: true });
    await chmod(lab.dir, 0o755);
    const mount = `d=$1/files; s=$1/store; ${STORE_ON_FUSE}`;
    const fuse = device === 'with' ? fuseDevice(lab) : 'mount --bind /dev/null /dev/fuse';
    const call = (env: Record<string, string>, input?: Buffer): UserCallOptions => ({
      env: { ...env, TSBUILD_ROOT: join(user.home, 'store') },
      prepare: `${mount}; ${fuse}`,
      ...(input !== undefined && { input }),
    });
    const root = device === 'with' ? /fuse-overlayfs \/ fuse/ : / \/ fuse(?!\.fuse-overlayfs)/;
    await buildsOnFuse((args, env, input) => user.ok(args, call(env, input)), lab, root);
    const again = ['build', '--no-cache', join(lab.dir, 'steps')];
    const refused = await user.run([BIN, ...again], call({ TSBUILD_SNAPSHOTTER: 'overlay' }));
    assert.is(refused.code, 125, refused.stderr);
  });
}

for (const snapshotter of ['fuse-overlayfs', 'copy'] as const) {
  digestTest(`${snapshotter}: a kill of any process leaves nothing`, why ?? whyNoFuse, async () => {
    await using user = await OrdinaryUser.open('a range');
    await using lab = await Lab.open({ empty: true });
    await chmod(lab.dir, 0o755);
    const options = { env: { TSBUILD_SNAPSHOTTER: snapshotter }, prepare: fuseDevice(lab) };
    await user.ok(IMPORT, { ...options, input: deterministicBase() });
    const dir = await lab.context('app', { Dockerfile: 'FROM busybox\nRUN --network=none echo begun; sleep 600\n' });
    let last = 0;
    for (let victim = 0; victim <= last; victim++) {
      const build = user.start([BIN, 'build', '--progress', 'plain', dir], options);
      let text = '';
      build.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const ended = new Promise((resolve) => build.once('exit', resolve));
      await until(() => / begun$/m.test(text), 'the step', 60_000);
      const processes = user.processes().sort((a, b) => a - b);
      last = processes.length - 1;
      const pid = processes[victim];
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      build.kill('SIGTERM');
      await ended;
      await user.isGone();
    }
    assert.ok(last >= 2, `there were only ${last + 1} processes`);
    await user.ok(['build', '-q', await lab.context('next', { Dockerfile: 'FROM busybox\nRUN true\n' })], options);
    assert.equal(readdirSync(join(user.home, '.local/share/tsbuild/snapshots/active')), []);
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(user.home));
  });
}

digestTest('a way of stacking that there is not is refused, and what is missing for one is told', why, async () => {
  await using lab = await Lab.open({ empty: true });
  const wrong = await lab.run(['images'], { env: { TSBUILD_SNAPSHOTTER: 'zfs' } });
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /"zfs" of \$TSBUILD_SNAPSHOTTER.*\nhint: want one of "auto", /);
  await lab.ok(IMPORT, { input: deterministicBase() });
  const dir = await lab.context('app', { Dockerfile: 'FROM busybox\nRUN true\n' });
  const asRoot = await lab.run(['build', dir], { env: { TSBUILD_SNAPSHOTTER: 'fuse-overlayfs' } });
  assert.is(asRoot.code, 1);
  assert.match(asRoot.stderr, /fuse-overlayfs is for users other than root/);
});

test.run();
