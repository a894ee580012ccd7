import { readFileSync } from 'node:fs';
import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { DETERMINISTIC, DETERMINISTIC_STEPS, EPOCH } from '../support/deterministic.ts';
import { BIN, busyboxTar, Lab, wasCached } from '../support/e2e.ts';
import { until } from '../support/net-lab.ts';
import type { Ids } from '../support/ordinary-user.ts';
import { OrdinaryUser, whyNoOrdinaryUser } from '../support/ordinary-user.ts';

const test = suite('without root');
const why = whyNoOrdinaryUser();
if (why !== undefined) process.stderr.write(`SKIPPED: without root: ${why}\n`);

const IMPORT = ['import', '-c', 'CMD ["sh"]', '-', 'busybox'];

function as(ids: Ids, name: string, body: (user: OrdinaryUser, lab: Lab) => Promise<void>): void {
  const run = async (): Promise<void> => {
    await using user = await OrdinaryUser.open(ids);
    await using lab = await Lab.open({ empty: true });
    // The user reads contexts there.
    await chmod(lab.dir, 0o755);
    await user.ok(IMPORT, { input: busyboxTar(), env: EPOCH });
    await body(user, lab);
    await user.isGone();
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(user.home));
  };
  if (why === undefined) test(`with ${ids} of ids: ${name}`, run);
  else test.skip(`with ${ids} of ids: ${name}`);
}

for (const ids of ['a range', 'one'] as const) {
  as(ids, 'the digest of a deterministic build is that of root', async (user, lab) => {
    const dir = await lab.context('app', DETERMINISTIC);
    const args = ['build', '-q', '-t', 'app', dir];
    await lab.ok(IMPORT, { input: busyboxTar(), env: EPOCH });
    const digest = (text: string): unknown => JSON.parse(text)[0].Descriptor.digest;
    await lab.ok(args, { env: EPOCH });
    await user.ok(args, { env: EPOCH });
    assert.is(digest((await user.ok(['inspect', 'app'])).stdout), digest((await lab.ok(['inspect', 'app'])).stdout));
    const again = await user.ok(['build', '--progress', 'plain', dir], { env: EPOCH });
    for (const step of DETERMINISTIC_STEPS) assert.ok(wasCached(again, step), step);
  });

  as(ids, 'what a container is', async (user) => {
    const sh = async (flags: readonly string[], script: string): Promise<string> =>
      (await user.ok(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script])).stdout;
    assert.is(
      await sh(['--network', 'none'], 'id -u; id -g; hostname | wc -c; echo x > /dev/null; echo $?'),
      '0\n0\n13\n0\n',
    );
    assert.is(
      await sh([], 'for n in null zero full random urandom tty; do stat -c %t:%T /dev/$n; done'),
      '1:3\n1:5\n1:7\n1:8\n1:9\n5:0\n',
    );
    // The host's /sys, where the network is the host's: none of it can be changed, and its groups are covered.
    assert.is(
      await sh(['--network', 'host'], 'ls /sys/fs/cgroup; echo 1 > /sys/kernel/uevent_seqnum || echo refused'),
      'refused\n',
    );
    assert.is(
      await sh(
        [],
        'cat /proc/keys /proc/timer_list | wc -c; ls -A /proc/acpi; ls -A /sys/firmware; touch /proc/sys/x || echo refused',
      ),
      '0\nrefused\n',
    );
    assert.match(
      await sh([], 'grep -E "CapBnd|Seccomp:" /proc/self/status'),
      /CapBnd:\t00000000a80425fb\nSeccomp:\t2\n/,
    );
    assert.is(await sh([], 'set -- /proc/[0-9]*; echo $#'), '1\n');
  });

  as(ids, 'exit codes, signals, stdin and volumes are those of one process', async (user, lab) => {
    assert.is((await user.run([BIN, 'run', '--rm', 'busybox', 'sh', '-c', 'exit 42'])).code, 42);
    assert.is((await user.ok(['run', '-i', '--rm', 'busybox', 'cat'], { input: 'to and fro' })).stdout, 'to and fro');
    const dir = await lab.context('app', { Dockerfile: `FROM busybox\nRUN echo begun; sleep 3${user.uid}\n` });
    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGKILL', null],
    ] as const) {
      const build = user.start([BIN, 'build', '--progress', 'plain', dir]);
      let text = '';
      build.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const ended = new Promise((resolve) => build.once('exit', resolve));
      await until(() => /^#\d+ \d[\d.]* begun$/m.test(text), 'the step runs');
      build.kill(signal);
      assert.is(await ended, code);
      await user.isGone();
    }
    await user.ok(['build', '-t', 'next', await lab.context('next', { Dockerfile: 'FROM busybox\nRUN true\n' })]);
    assert.equal(await readdir(join(user.home, '.local/share/tsbuild/snapshots/active')), []);
  });

  as(ids, 'a container in which the present proc is partly covered', async (user) => {
    const prepare = 'mount -t tmpfs none /proc/bus';
    const script =
      'cat /proc/self/status | head -1; cat /proc/keys | wc -c; echo x > /proc/sys/kernel/domainname || echo refused';
    const { stdout } = await user.ok(['run', '--rm', '--network', 'none', 'busybox', 'sh', '-c', script], { prepare });
    assert.is(stdout, 'Name:\tcat\n0\nrefused\n');
  });
}

as('one', 'a terminal is one', async (user) => {
  const script = 'test -t 0 && test -t 1 && tty && echo x > /dev/tty && stat -c %u:%a /dev/console';
  const command = `${BIN} run --rm -it --network none busybox sh -c "${script}"`;
  const { code, stdout, stderr } = await user.run(['script', '-qec', command, '/dev/null']);
  assert.is(code, 0, `${stdout}${stderr}`);
  assert.match(stdout, /\/dev\/pts\/0\r\nx\r\n0:620\r\n$/);
});

as('one', 'a limit that cannot be set is an error, with what to do', async (user) => {
  for (const limit of [
    ['--memory', '64m'],
    ['--cpus', '1'],
    ['--pids-limit', '5'],
  ]) {
    const { code, stderr } = await user.run([BIN, 'run', '--rm', '--network', 'none', ...limit, 'busybox', 'true']);
    assert.is(code, 125, limit.join(' '));
    assert.match(stderr, /^ERROR: Cannot limit the container: .*\nhint: .*delegated to its user/);
  }
});

as('a range', 'RUN as other users, whose files have many owners', async (user, lab) => {
  const dir = await lab.context('app', {
    Dockerfile: [
      'FROM busybox',
      'RUN echo dev:x:1234:99::/home/dev:/bin/sh >> /etc/passwd && mkdir /home/dev && chown dev:99 /home/dev',
      'USER dev',
      'RUN id -u > ~/me && mkfifo ~/p',
      'USER 0',
      'RUN for id in 1 33 999 65534; do echo x > /f$id; chown $id:$id /f$id; done',
    ].join('\n'),
  });
  await user.ok(['build', '-t', 'app', dir]);
  const script = 'stat -c %u:%g /home/dev/me /home/dev/p /f1 /f33 /f999 /f65534; cat /home/dev/me';
  const { stdout } = await user.ok(['run', '--rm', 'app', 'sh', '-c', script]);
  assert.is(stdout, '1234:99\n1234:99\n1:1\n33:33\n999:999\n65534:65534\n1234\n');
});

as('one', 'a user that does not exist here is told, with what to do', async (user) => {
  const { code, stderr } = await user.run([BIN, 'run', '--rm', '-u', '1000', 'busybox', 'true']);
  assert.is(code, 125);
  assert.match(stderr, /Cannot start the container as [gu]id \d+: .*\nhint: .*\/etc\/subuid/);
});

/** No namespace can be made below the one that the command is in. */
const NO_NAMESPACES = [
  'unshare',
  '-U',
  '-r',
  'sh',
  '-c',
  'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
  'sh',
];

as('one', 'where user namespaces are forbidden, the error names the sysctl', async (user) => {
  const { code, stderr } = await user.run([...NO_NAMESPACES, findRuntimeBinary(), 'unshare', '--', 'true']);
  assert.is(code, 125);
  assert.match(stderr, /^ERROR: Cannot work without root: .*"user.max_user_namespaces" is 0\nhint: .*sysctl -w /);
});

/** The limit of the namespace outside counts the one that is there already; in it the user is not root. */
const LAST_NAMESPACE = [
  'unshare',
  '-U',
  '-r',
  'sh',
  '-c',
  'echo 1 > /proc/sys/user/max_user_namespaces; exec unshare -U --map-user=1000 "$@"',
  'sh',
];

as('one', 'questions are answered without a namespace', async (user, lab) => {
  const dir = await lab.context('app', { Dockerfile: 'FROM busybox\n' });
  for (const question of [['--version'], ['help'], ['build', '--help'], ['build', '--check', dir]]) {
    const { code, stderr } = await user.run([...LAST_NAMESPACE, BIN, ...question]);
    assert.is(code, 0, `${question.join(' ')}: ${stderr}`);
  }
  const { code, stderr } = await user.run([...LAST_NAMESPACE, BIN, 'images']);
  assert.is(code, 125);
  assert.match(stderr, /^ERROR: Cannot work without root: /);
});

test.run();
