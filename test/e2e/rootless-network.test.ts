/** The isolated network without root, on a machine of network namespaces: what a container reaches, and that nothing of it stays. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, busyboxTar, Lab } from '../support/e2e.ts';
import { HOST_ADDRESS, NetLab, OUTSIDE_ADDRESS, OUTSIDE_NAME, until } from '../support/net-lab.ts';
import type { UserCallOptions } from '../support/ordinary-user.ts';
import { OrdinaryUser, whyNoOrdinaryUser } from '../support/ordinary-user.ts';

const PROGRAMS = ['pasta', 'slirp4netns'] as const;
type Program = (typeof PROGRAMS)[number];

/** The device of tunnels, as udev makes it; and no other program than the one that is meant. */
function prepareFor(lab: Lab, program: Program | undefined): string {
  const tun = join(lab.dir, 'tun');
  const hidden = PROGRAMS.filter((name) => name !== program).map(
    (name) => `; if path=$(command -v ${name}); then mount --bind /dev/null "$(readlink -f "$path")"; fi`,
  );
  return `test -e ${tun} || mknod -m 666 ${tun} c 10 200; mount --bind ${tun} /dev/net/tun; mount --bind ${join(lab.dir, 'resolv.conf')} /etc/resolv.conf${hidden.join('')}`;
}

interface Machine {
  readonly user: OrdinaryUser;
  readonly lab: Lab;
  readonly net: NetLab;
  readonly options: UserCallOptions;
}

const test = suite('network without root');
const why = whyNoOrdinaryUser();
if (why !== undefined) process.stderr.write(`SKIPPED: network without root: ${why}\n`);

function networkTest(name: string, program: Program | undefined, body: (machine: Machine) => Promise<void>): void {
  const title = program === undefined ? name : `${program}: ${name}`;
  const missing = program !== undefined && spawnSync(program, ['--version']).error !== undefined;
  if (missing) process.stderr.write(`SKIPPED: ${title}: ${program} is not installed\n`);
  if (why !== undefined || missing) {
    test.skip(title);
    return;
  }
  test(title, async () => {
    using net = await NetLab.open();
    await using user = await OrdinaryUser.open('a range');
    await using lab = await Lab.open({ empty: true });
    await chmod(lab.dir, 0o755);
    await writeFile(join(lab.dir, 'resolv.conf'), `nameserver 127.0.0.53\nnameserver ${OUTSIDE_ADDRESS}\n`);
    await user.ok(['import', '-c', 'CMD ["sh"]', '-', 'busybox'], { input: busyboxTar() });
    const before = net.snapshot();
    await body({ user, lab, net, options: { network: net.host, prepare: prepareFor(lab, program) } });
    await user.isGone();
    assert.is(net.snapshot(), before);
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(user.home));
  });
}

const ME = 'cgi-bin/me';
/** Who asks, as the server sees it; or that there is no answer. */
const ask = (name: string, address: string, port = 80): string =>
  `echo "${name}: $(timeout 20 wget -qO- http://${address}:${port}/${ME} 2>/dev/null || echo none)"`;

for (const program of PROGRAMS) {
  networkTest('a step leaves the machine with its address and finds names', program, async (machine) => {
    const { user, lab, net, options } = machine;
    await net.serve(net.host, '127.0.0.1', 81);
    await net.serve(net.host, '0.0.0.0', 82);
    const script = [
      ask('outside', OUTSIDE_ADDRESS),
      ask('by name', OUTSIDE_NAME),
      ask('loopback', '127.0.0.1', 81),
      ask('loopback of the host', 'host', 81),
      ask('host', 'host', 82),
      'echo interfaces: $(ls /sys/class/net)',
      `echo servers: $(cat /etc/resolv.conf)`,
    ].join('; ');
    const dir = await lab.context('app', {
      Dockerfile: `FROM busybox\nRUN ${script}\nRUN ${ask('again', OUTSIDE_ADDRESS)}\n`,
    });
    const args = ['build', '--progress', 'plain', '--add-host', 'host:host-gateway', dir];
    const { stderr } = await user.ok(args, options);
    assert.not.match(stderr, 'isolated network not available');
    for (const line of [
      `outside: ${HOST_ADDRESS}`,
      `by name: ${HOST_ADDRESS}`,
      'loopback: none',
      'loopback of the host: none',
      `host: ${HOST_ADDRESS}`,
      'interfaces: eth0 lo',
      `servers: nameserver ${OUTSIDE_ADDRESS}`,
      `again: ${HOST_ADDRESS}`,
    ])
      assert.match(stderr, new RegExp(` ${line}$`, 'm'));
  });

  networkTest('run has it too, with its own name, and none and host are what they are', program, async (machine) => {
    const { user, options } = machine;
    const run = async (network: string, script: string): Promise<string> =>
      (await user.ok(['run', '--rm', '--network', network, 'busybox', 'sh', '-c', script], options)).stdout;
    const own = await run('bridge', `${ask('outside', OUTSIDE_ADDRESS)}; tail -n1 /etc/hosts; hostname -i`);
    assert.match(own, new RegExp(`^outside: ${HOST_ADDRESS}\n([\\d.]+)\t\\w{12}\n\\1\n$`));
    assert.is(await run('none', `ls /sys/class/net; ${ask('outside', OUTSIDE_ADDRESS)}`), 'lo\noutside: none\n');
    assert.match(await run('host', 'ip -o link'), / up0@/);
  });

  networkTest('a kill of any process leaves nothing', program, async ({ user, lab, options }) => {
    const dir = await lab.context('app', { Dockerfile: 'FROM busybox\nRUN echo begun; sleep 600\n' });
    let killed = 0;
    for (let victim = 0; victim <= killed; victim++) {
      const build = user.start([BIN, 'build', '--progress', 'plain', dir], options);
      let text = '';
      build.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const ended = new Promise((resolve) => build.once('exit', resolve));
      await until(() => / begun$/m.test(text), 'the step', 60_000);
      assert.not.match(text, 'isolated network not available');
      const processes = user.processes().sort((a, b) => a - b);
      killed = processes.length - 1;
      const pid = processes[victim];
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      // One that only loses its way out goes on, until it is told to end.
      build.kill('SIGTERM');
      await ended;
      await user.isGone();
    }
    assert.ok(killed >= 4, `there were only ${killed + 1} processes`);
  });
}

networkTest('without a program steps use the host and that is told once', undefined, async ({ user, lab, options }) => {
  const dir = await lab.context('app', {
    Dockerfile: `FROM busybox\nRUN ip -o link\nRUN --network=none ls /sys/class/net | wc -l\nRUN ${ask('outside', OUTSIDE_ADDRESS)}\n`,
  });
  const { stderr } = await user.ok(['build', '--progress', 'plain', dir], options);
  const told =
    /isolated network not available: pasta: .*package passt.*; slirp4netns: .*; RUN uses the host's network/g;
  assert.is(stderr.match(told)?.length, 1, stderr);
  assert.match(stderr, / up0@/);
  assert.match(stderr, / 1$/m);
  assert.match(stderr, new RegExp(` outside: ${HOST_ADDRESS}$`, 'm'));
  const refused = await user.run([BIN, 'run', '--rm', '--network', 'bridge', 'busybox', 'true'], options);
  assert.is(refused.code, 125);
  assert.match(refused.stderr, /Cannot make the bridge network: pasta: .*\nhint: /);
});

test.run();
