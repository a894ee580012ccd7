/** The networks of RUN and run, on a machine of network namespaces. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, Lab } from '../support/e2e.ts';
import { HOST_ADDRESS, NetLab, OUTSIDE_ADDRESS } from '../support/net-lab.ts';
import { privileged } from '../support/privileged.ts';

const ME = `wget -qO- http://${OUTSIDE_ADDRESS}/cgi-bin/me`;

let net: NetLab;
let lab: Lab;
const tests = suite('networks, end to end');
const test = privileged(tests);

if (process.getuid?.() === 0) {
  tests.before(async () => {
    net = await NetLab.open();
    lab = await Lab.open({ bin: net.inHost(BIN, 'tsbuild') });
  });
  tests.after(async () => {
    await lab[Symbol.asyncDispose]();
    net[Symbol.dispose]();
  });
}

test('RUN has a network of its own unless it asks for another', async () => {
  const before = net.snapshot();
  const context = await lab.context('modes', {
    Dockerfile: [
      'FROM busybox',
      `RUN ${ME} > /me && ls /sys/class/net > /bridge`,
      'RUN --network=none ls /sys/class/net > /none',
      'RUN --network=host ls /sys/class/net > /host',
      'RUN cp /etc/hosts /hosts && cat /proc/sys/net/ipv4/ip_unprivileged_port_start > /port',
    ].join('\n'),
  });
  await lab.ok(['-t', 'modes', '--allow', 'network.host', '--add-host', 'up:host-gateway', context]);
  const shown = await lab.sh('modes', 'head -n9 /me /bridge /none /port; grep up0 /host; tail -n1 /hosts');
  assert.match(shown, `==> /me <==\n${HOST_ADDRESS}\n`);
  assert.match(shown, '==> /bridge <==\neth0\nlo\n');
  assert.match(shown, '==> /none <==\nlo\n');
  assert.match(shown, '==> /port <==\n1024\n');
  assert.match(shown, /\nup0\n10\.201\.0\.1\tup\n?$/);
  assert.is(net.snapshot(), before);
});

test('run has a network of its own, and its address under its name', async () => {
  const before = net.snapshot();
  const script = `${ME}; echo; tail -n2 /etc/hosts; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip -o -4 addr show eth0`;
  const { stdout } = await lab.ok([
    'run',
    '--rm',
    '-h',
    'box',
    '--add-host',
    'up:host-gateway',
    'busybox',
    'sh',
    '-c',
    script,
  ]);
  const [, address = 'none'] = /inet ([\d.]+)\/16/.exec(stdout) ?? [];
  assert.match(stdout, `${HOST_ADDRESS}\n10.201.0.1\tup\n${address}\tbox\n0\n`);
  assert.is(net.snapshot(), before);
});

test('a host that can give no network of its own gives its own, and says so', async () => {
  net.in(net.host, 'nft', 'add table ip other');
  net.in(net.host, 'nft', 'add chain ip other forward { type filter hook forward priority 0; policy drop; }');
  try {
    const context = await lab.context('fallback', {
      Dockerfile: 'FROM busybox\nRUN ls /sys/class/net > /one; cp /etc/hosts /hosts\nRUN ls /sys/class/net > /two\n',
    });
    const built = await lab.ok(['-t', 'fallback', '--add-host', 'up:host-gateway', context]);
    const warning = /isolated network not available: a packet filter of this machine drops .*; RUN uses the host's/g;
    assert.is(built.stderr.match(warning)?.length, 1, built.stderr);
    const shown = await lab.sh('fallback', 'grep -h up0 /one /two; tail -n1 /hosts');
    assert.match(shown, /^up0\nup0\n127\.0\.0\.1\tup\n?$/);

    const ran = await lab.ok(['run', '--rm', 'busybox', 'ls', '/sys/class/net']);
    assert.match(ran.stderr, 'isolated network not available: a packet filter of this machine drops');
    assert.match(ran.stdout, 'up0');
    const refused = await lab.run(['run', '--rm', '--network', 'bridge', 'busybox', 'true']);
    assert.is(refused.code, 125);
    assert.match(refused.stderr, 'Cannot make the bridge network: a packet filter of this machine drops');
  } finally {
    net.in(net.host, 'nft', 'delete table ip other');
  }
});

tests.run();
