/** What the bridge network does to its host, and that nothing of it stays, however its users end. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import type { BridgeConfig, ContainerRuntime } from '../../src/runtime-native/types.ts';
import { ContainerRig } from '../support/container.ts';
import { NetLab, until } from '../support/net-lab.ts';
import { privileged } from '../support/privileged.ts';

const STATE = '/run/tsbuild/network';
const BRIDGE = { network: 'bridge' } as const;

const tests = suite('lifetime of the bridge network');
const test = privileged(tests);

interface Machine {
  readonly lab: NetLab;
  /** A runtime with a helper of its own; it is closed at the end. */
  readonly runtime: (bridge?: BridgeConfig) => ContainerRuntime;
  /** What one container on that runtime prints. */
  readonly output: (runtime: ContainerRuntime, script: string) => Promise<string>;
}

function machineTest(name: string, body: (machine: Machine) => Promise<void>): void {
  test(name, async () => {
    using lab = await NetLab.open();
    const binaryPath = lab.inHost(findRuntimeBinary(), 'runtime');
    const runtimes: ContainerRuntime[] = [];
    const rigs: ContainerRig[] = [];
    try {
      await body({
        lab,
        runtime: (bridge) => {
          const runtime = createNativeRuntime({ binaryPath, ...(bridge !== undefined && { bridge }) });
          runtimes.push(runtime);
          return runtime;
        },
        output: async (runtime, script) => {
          const rig = new ContainerRig(runtime);
          rigs.push(rig);
          return await rig.output(script, BRIDGE);
        },
      });
    } finally {
      for (const runtime of runtimes) await runtime.close();
      for (const rig of rigs) rig.remove();
    }
  });
}

machineTest('leaves the host as it was, with the last of several users', async ({ lab, runtime, output }) => {
  const before = lab.snapshot();
  const [one, two] = [runtime(), runtime()];
  assert.equal(await one.network(), { kind: 'available', gateway: '10.201.0.1' });
  assert.equal(await two.network(), { kind: 'available', gateway: '10.201.0.1' });
  const during = lab.snapshot();
  assert.match(during, 'table ip tsbuild');
  assert.match(during, 'conf/up0/forwarding:1');
  assert.match(during, 'conf/all/forwarding:0');
  await one.close();
  assert.match(await output(two, 'ping -c1 -W2 198.18.0.2'), '1 packets received');
  await two.close();
  assert.is(lab.snapshot(), before);
});

machineTest('keeps locks and journal only while it is used', async ({ runtime }) => {
  const bridge = { name: `t${process.pid}` };
  const files = (): string[] => {
    const mine = journalsOf(bridge.name).map((file) => file.replace('journal', ''));
    return readdirSync(STATE).filter((file) => mine.some((stem) => file.startsWith(stem)));
  };
  const user = runtime(bridge);
  await user.network();
  const [stem] = journalsOf(bridge.name).map((file) => file.replace('journal', ''));
  if (stem === undefined) throw new Error('there is no journal');
  assert.equal(
    files().sort(),
    ['journal', 'lock', 'users'].map((suffix) => stem + suffix),
  );
  await user.close();
  assert.equal(
    readdirSync(STATE).filter((file) => file.startsWith(stem)),
    [],
  );
});

machineTest('cleans up when its helper is killed', async ({ lab, runtime }) => {
  const before = lab.snapshot();
  const user = runtime();
  await user.network();
  const [keeper] = children(process.pid).filter(isHelper);
  const [helper] = keeper === undefined ? [] : children(keeper);
  if (helper === undefined) throw new Error('there is no helper');
  process.kill(helper, 'SIGKILL');
  await until(() => lab.snapshot() === before, 'the cleaning up');
});

machineTest('takes over what is left when everything was killed', async ({ lab, runtime, output }) => {
  const before = lab.snapshot();
  const user = runtime();
  await user.network();
  const [keeper] = children(process.pid).filter(isHelper);
  if (keeper === undefined) throw new Error('there is no keeper');
  // The helper dies with its parent.
  process.kill(keeper, 'SIGKILL');
  await until(() => !children(process.pid).includes(keeper), 'the end of the keeper');
  await until(() => !lab.snapshot().includes('tsb0'), 'the end of the namespaces');
  assert.match(lab.snapshot(), 'tsbuild0');
  const next = runtime();
  assert.match(await output(next, 'ping -c1 -W2 198.18.0.2'), '1 packets received');
  await next.close();
  assert.is(lab.snapshot(), before);
});

machineTest('mends what somebody removed', async ({ lab, runtime, output }) => {
  const first = runtime();
  await first.network();
  lab.in(lab.host, 'nft', 'flush', 'ruleset');
  lab.in(lab.host, 'ip', 'link', 'delete', 'tsbuild0');
  assert.match(await output(runtime(), 'ping -c1 -W2 198.18.0.2'), '1 packets received');
});

machineTest('keeps out of ranges that are in use', async ({ lab, runtime }) => {
  lab.in(lab.host, 'ip', 'route', 'add', '10.201.128.0/17', 'via', '198.18.0.2');
  lab.in(lab.host, 'ip', 'route', 'add', 'blackhole', '10.202.0.0/15', 'table', '7');
  assert.equal(await runtime().network(), { kind: 'available', gateway: '10.204.0.1' });
});

machineTest('takes the name and the range that it is told', async ({ lab, runtime, output }) => {
  const bridge = { name: 'build.1', subnet: '192.168.7.16/28' };
  const before = lab.snapshot();
  const user = runtime(bridge);
  assert.equal(await user.network(), { kind: 'available', gateway: '192.168.7.17' });
  assert.match(await output(user, 'ip -o -4 addr show eth0; ping -c1 -W2 198.18.0.2'), /inet 192\.168\.7\.\d+\/28/);
  assert.match(lab.snapshot(), 'build.1');
  const other = await runtime({ name: 'build.2' }).network();
  assert.equal(other, {
    kind: 'unavailable',
    reason: 'another tsbuild uses the bridge build.1 with other settings',
  });
  await user.close();
  assert.is(lab.snapshot(), before);
});

machineTest('refuses a range that a route has', async ({ lab, runtime }) => {
  const before = lab.snapshot();
  const taken = runtime({ name: 'b', subnet: '10.9.0.0/16' });
  lab.in(lab.host, 'ip', 'route', 'add', '10.9.9.0/24', 'via', '198.18.0.2');
  assert.equal(await taken.network(), { kind: 'unavailable', reason: 'the range of addresses is in use' });
  lab.in(lab.host, 'ip', 'route', 'delete', '10.9.9.0/24');
  await until(() => lab.snapshot() === before, 'the cleaning up');
});

machineTest('leaves an interface alone that is not its own', async ({ lab, runtime }) => {
  lab.in(lab.host, 'ip', 'link', 'add', 'tsbuild0', 'type', 'bridge');
  const before = lab.snapshot();
  const user = runtime();
  assert.equal(await user.network(), {
    kind: 'unavailable',
    reason: "there is an interface tsbuild0 that is not tsbuild's",
  });
  await user.close();
  assert.is(lab.snapshot(), before);
});

for (const [what, rule] of [
  ['drops', 'type filter hook forward priority 0; policy drop;'],
  ['refuses', 'type filter hook forward priority 0;'],
] as const) {
  machineTest(`says so when a packet filter of somebody else ${what} what is forwarded`, async ({ lab, runtime }) => {
    lab.in(lab.host, 'nft', 'add table ip other');
    lab.in(lab.host, 'nft', `add chain ip other forward { ${rule} }`);
    if (what === 'refuses') lab.in(lab.host, 'nft', 'add rule ip other forward reject');
    const before = lab.snapshot();
    const user = runtime();
    assert.equal(await user.network(), {
      kind: 'unavailable',
      reason: 'a packet filter of this machine drops what comes from the bridge',
    });
    await user.close();
    assert.is(lab.snapshot(), before);
  });
}

machineTest('is there on a host without a way out', async ({ lab, runtime, output }) => {
  lab.in(lab.host, 'ip', 'route', 'delete', 'default');
  assert.match(await output(runtime(), 'ping -c1 -W2 10.201.0.1'), '1 packets received');
});

machineTest('does not stop what somebody else lets the host forward meanwhile', async ({ lab, runtime }) => {
  const user = runtime();
  await user.network();
  lab.in(lab.host, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  await user.close();
  assert.match(lab.snapshot(), 'conf/up0/forwarding:1');
});

function journalsOf(bridge: string): string[] {
  return readdirSync(STATE).filter(
    (file) => file.endsWith('.journal') && textOf(join(STATE, file)).includes(`bridge ${bridge}\n`),
  );
}

/** Others come and go. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function children(pid: number): number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function isHelper(pid: number): boolean {
  return textOf(`/proc/${pid}/cmdline`).includes('\0serve\0');
}

tests.run();
