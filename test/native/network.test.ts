/** The bridge network of containers, on a machine of network namespaces: what a container sees and reaches. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import type { RunningContainer } from '../../src/runtime-native/types.ts';
import * as assert from 'uvu/assert';
import { ContainerRig } from '../support/container.ts';
import { HOST_ADDRESS, NetLab, OUTSIDE_ADDRESS, OUTSIDE_NAME, UPLINK_MTU } from '../support/net-lab.ts';
import { privileged } from '../support/privileged.ts';

const BRIDGE = { network: 'bridge' } as const;
const SERVICE = { network: 'bridge', networkRole: 'service' } as const;
const ME = 'cgi-bin/me';

let lab: NetLab;
let rig: ContainerRig;
const tests = suite('bridge network');
const test = privileged(tests);

if (process.getuid?.() === 0) {
  tests.before(async () => {
    lab = await NetLab.open();
    rig = new ContainerRig(createNativeRuntime({ binaryPath: lab.inHost(findRuntimeBinary(), 'runtime') }));
  });
  tests.after(async () => {
    await rig.runtime.close();
    rig.remove();
    lab[Symbol.dispose]();
  });
}

test('has an address, a hardware address made of it, the size of the way out, and a default route', async () => {
  const out = await rig.output(
    'cat /sys/class/net/eth0/mtu; ip -o -4 addr show eth0; ip link show eth0; ip route',
    BRIDGE,
  );
  const [, address = ''] = /inet (10\.201\.\d+\.\d+)\/16/.exec(out) ?? [];
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  assert.match(out, new RegExp(`^${UPLINK_MTU}\n`));
  assert.match(out, `link/ether 02:42:${bytes.join(':')} `);
  assert.match(out, 'default via 10.201.0.1 dev eth0');
});

test('leaves the machine with its address, and finds names by a server out there', async () => {
  const resolvConf = join(lab.dir, 'resolv.conf');
  writeFileSync(resolvConf, `nameserver ${OUTSIDE_ADDRESS}\n`);
  const script = `wget -qO- http://${OUTSIDE_ADDRESS}/${ME}; wget -qO- http://${OUTSIDE_NAME}/${ME}`;
  const seen = await rig.output(script, { ...BRIDGE, etcFiles: { resolvConf, readonly: true } });
  assert.is(seen, HOST_ADDRESS.repeat(2));
});

test('does not reach what listens on the loopback of the host', async () => {
  await lab.serve(lab.host, '127.0.0.1', 81);
  await lab.serve(lab.host, '0.0.0.0', 82);
  assert.match(await rig.output(ask('10.201.0.1', 82, ME), BRIDGE), /\n10\.201\./);
  assert.is(await rig.output(ask('10.201.0.1', 81, ME), BRIDGE), 'unreachable');
  assert.is(await rig.output(ask('127.0.0.1', 81, ME), BRIDGE), 'unreachable');
});

test('keeps steps from each other, and lets services be reached', async () => {
  await serving(BRIDGE, async (address) => assert.is(await rig.output(ask(address), BRIDGE), 'unreachable'));
  await serving(SERVICE, async (address) => {
    assert.match(await rig.output(ask(address), SERVICE), /\nserved$/);
    assert.match(await rig.output(ask(address), BRIDGE), /\nserved$/);
  });
});

test('is closed to the outside, also to those who know the way', async () => {
  lab.in(lab.outside, 'ip', 'route', 'add', '10.201.0.0/16', 'via', HOST_ADDRESS);
  await serving(SERVICE, async (address) => {
    assert.match(await rig.output(ask(address), BRIDGE), /\nserved$/);
    assert.is(lab.in(lab.outside, 'busybox', 'sh', '-c', ask(address)).trim(), 'unreachable');
  });
});

test('lets nobody use the host as a router that was none', async () => {
  const far = `${lab.outside}-far`;
  lab.addNamespace(far);
  lab.link(lab.host, 'far0', '198.19.0.1/24', far, 'far1', '198.19.0.2/24');
  lab.in(far, 'ip', 'route', 'add', 'default', 'via', '198.19.0.1');
  lab.in(lab.outside, 'ip', 'route', 'add', '198.19.0.0/24', 'via', HOST_ADDRESS);
  const ping = (from: string, to: string): string => lab.in(from, 'busybox', 'ping', '-c1', '-W2', to);
  const late = new ContainerRig(createNativeRuntime({ binaryPath: join(lab.dir, 'runtime') }));
  try {
    // With the new interface there: both forward by now, for the containers.
    assert.match(await late.output('ping -c1 -W2 198.19.0.2', BRIDGE), '1 packets received');
    assert.match(ping(lab.outside, HOST_ADDRESS), '1 packets received');
    assert.throws(() => ping(lab.outside, '198.19.0.2'), /status 1|Command failed/);
  } finally {
    await late.runtime.close();
    late.remove();
  }
});

test('lets the users of a service open low ports and ping, but not those of a step', async () => {
  const show = 'cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start ping_group_range';
  assert.is(await rig.output(show, SERVICE), '0\n0\t2147483647');
  assert.is(await rig.output(show, { ...SERVICE, network: 'none' }), '0\n0\t2147483647');
  assert.is(await rig.output(show, BRIDGE), '1024\n1\t0');
});

test('writes the address as the last line of the hosts file', async () => {
  const hosts = join(lab.dir, 'hosts');
  writeFileSync(hosts, '127.0.0.1\tlocalhost\n');
  const script = 'cat /etc/hosts; ip -o -4 addr show eth0';
  const out = await rig.output(script, { ...SERVICE, etcFiles: { hosts, readonly: false, ownName: 'box' } });
  const [, address = 'none'] = /inet ([\d.]+)/.exec(out) ?? [];
  assert.match(out, `127.0.0.1\tlocalhost\n${address}\tbox\n`);
  assert.is(readFileSync(hosts, 'utf8'), `127.0.0.1\tlocalhost\n${address}\tbox\n`);
});

test('has nothing but the loopback with the network none', async () => {
  const out = await rig.output('ls /sys/class/net; ip -o addr; ping -c1 127.0.0.1; ping -c1 ::1', { network: 'none' });
  assert.match(out, /^lo\n/);
  assert.match(out, /127\.0\.0\.1\/8/);
  assert.match(out, /::1\/128/);
});

test('gives 30 containers at a time 30 addresses', async () => {
  const script = 'ip -o -4 addr show eth0; until [ -e /gate/open ]; do sleep 0.05; done';
  const gate = rig.fresh('gate');
  const mounts = [{ kind: 'bind', source: gate, target: '/gate', readonly: true, recursive: false }] as const;
  const addresses = new Set<string>();
  const all = Array.from({ length: 30 }, async () => {
    const { exit } = await rig.run(rig.spec(script, { ...BRIDGE, mounts }), {
      onStdout: (text) => {
        const [, address] = /inet ([\d.]+)/.exec(text) ?? [];
        if (address !== undefined) addresses.add(address);
        // All are there at once: none has an end before the last has begun.
        if (addresses.size === 30) writeFileSync(join(gate, 'open'), '');
      },
    });
    return exit.code;
  });
  assert.equal(
    await Promise.all(all),
    Array.from({ length: 30 }, () => 0),
  );
  assert.is(addresses.size, 30);
});

/** A command that prints the answer of a server, or `unreachable` when there is none soon. */
function ask(address: string, port = 80, path = ''): string {
  return `printf 'GET /${path} HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${address} ${port} 2>/dev/null || echo unreachable`;
}

/** Runs `use` while a container with that network serves a file. */
async function serving(kind: typeof BRIDGE | typeof SERVICE, use: (address: string) => Promise<void>): Promise<void> {
  let running: RunningContainer | undefined;
  let said = '';
  let ready: (address: string) => void = () => undefined;
  const address = new Promise<string>((resolve) => (ready = resolve));
  const script = 'mkdir /www; printf served > /www/index.html; httpd -h /www; ip -o -4 addr show eth0; exec sleep 600';
  const end = rig.run(rig.spec(script, kind), {
    onStarted: (container) => (running = container),
    onStdout: (text) => {
      said += text;
      const [, found] = /inet ([\d.]+)/.exec(said) ?? [];
      if (found !== undefined) ready(found);
    },
  });
  try {
    await use(await address);
  } finally {
    running?.kill('SIGKILL');
    await end;
  }
}

tests.run();
