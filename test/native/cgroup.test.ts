import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ContainerResources, ContainerStats, RunningContainer } from '../../src/runtime-native/types.ts';
import type { ContainerRig } from '../support/container.ts';
import { containerSuite } from '../support/container.ts';
import { groupsGone, groupsOf } from './groups.ts';
import { during, errorOf, parentOf, stateOf } from './running.ts';
import { until } from './until.ts';

const MIB = 1024 * 1024;

/** Version 1 has a directory for each controller in the container; without it the machine is not one for these tests. */
const IS_V1 = existsSync('/sys/fs/cgroup/memory');

async function fileOf(rig: ContainerRig, resources: ContainerResources, ...paths: string[]): Promise<string> {
  return await rig.output(`cd /sys/fs/cgroup; cat ${paths.join(' ')}`, { resources });
}

containerSuite('native runtime: control groups', (test) => {
  if (!IS_V1) {
    process.stderr.write('SKIPPED: control groups of version 1, which this machine has not\n');
    return;
  }

  test('a limit on memory ends what needs more', async (rig) => {
    const resources = { memoryBytes: 16 * MIB, memorySwapBytes: 16 * MIB };
    const { exit } = await rig.run(rig.spec('exec tail /dev/zero', { resources }));
    assert.equal(exit, { code: 137, oomKilled: true });
  });

  test('a limit on memory lets live what needs less, and is no out-of-memory kill when the process kills itself', async (rig) => {
    const { exit } = await rig.run(
      rig.spec('sleep 100 & kill -9 $!; wait $!', { resources: { memoryBytes: 32 * MIB } }),
    );
    assert.equal(exit, { code: 137, oomKilled: false });
  });

  test('all limits on memory are in the files of the group', async (rig) => {
    const resources = { memoryBytes: 64 * MIB, memoryReservationBytes: 32 * MIB, memorySwappiness: 7 };
    const files = ['memory.limit_in_bytes', 'memory.soft_limit_in_bytes', 'memory.swappiness'];
    const out = await fileOf(rig, resources, ...files.map((file) => join('memory', file)));
    assert.is(out, `${64 * MIB}\n${32 * MIB}\n7`);
    assert.is(
      await fileOf(rig, { ...resources, memorySwapBytes: 'same' }, 'memory/memory.memsw.limit_in_bytes'),
      `${128 * MIB}`,
    );
    assert.match(
      await fileOf(rig, { memoryBytes: 64 * MIB, oomKillDisable: true }, 'memory/memory.oom_control'),
      'oom_kill_disable 1',
    );
  });

  test('a limit on processes makes fork fail', async (rig) => {
    const script = 'for i in 1 2 3 4 5 6; do sleep 50 & done; echo unreached';
    const { exit, stdout, stderr } = await rig.run(rig.spec(script, { resources: { pids: 4 } }));
    assert.is.not(exit.code, 0);
    assert.is(stdout, '');
    assert.match(stderr, "can't fork");
  });

  test('processors are those that were asked for', async (rig) => {
    const script = 'grep _allowed_list /proc/self/status';
    assert.is(
      await rig.output(script, { resources: { cpusetCpus: '0', cpusetMems: '0' } }),
      'Cpus_allowed_list:\t0\nMems_allowed_list:\t0',
    );
  });

  test('a processor that the machine lacks is an error that names it', async (rig) => {
    const { code, message } = await errorOf(rig.run(rig.spec('true', { resources: { cpusetCpus: '0,4000' } })));
    assert.is(code, 'run-start-failed');
    assert.match(message, 'Cannot limit the container: cpuset.cpus = 0,4000: ');
  });

  test('shares, period and quota of processor time are in the files of the group', async (rig) => {
    const out = await fileOf(
      rig,
      { cpuShares: 512, cpuPeriodUs: 50_000, cpuQuotaUs: 25_000 },
      'cpu/cpu.shares',
      'cpu/cpu.cfs_period_us',
      'cpu/cpu.cfs_quota_us',
    );
    assert.is(out, '512\n50000\n25000');
  });

  test('a quota of processor time throttles', async (rig) => {
    const stats = await during(
      rig,
      'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo done; sleep 100',
      { cpuQuotaUs: 5000, accounting: true },
      (container) => container.stats(),
    );
    assert.ok((stats.cpu.throttledPeriods ?? 0) > 0);
    assert.ok((stats.cpu.throttledUs ?? 0) > 0);
  });

  test('groups are made for the controllers that are needed, and for no others', async (rig) => {
    const script = 'ls /sys/fs/cgroup';
    assert.is(await rig.output(script), 'devices\nmemory');
    assert.is(await rig.output(script, { resources: { pids: 10 } }), 'devices\nmemory\npids');
  });

  test('the score for the out-of-memory killer is the one that was asked for', async (rig) => {
    const script = 'cat /proc/self/oom_score_adj';
    assert.is(await rig.output(script), '0');
    assert.is(await rig.output(script, { oomScoreAdj: 321 }), '321');
    const protecting = rig.output(script, { oomScoreAdj: -500 });
    if (hasCapability(24)) assert.is(await protecting, '-500');
    else {
      // CAP_SYS_RESOURCE: without it nobody can be protected, and Docker fails too.
      const message = 'Cannot limit the container: oom_score_adj = -500: permission denied';
      assert.is((await errorOf(protecting)).message, message);
    }
  });

  test('groups are made below the parent that was asked for, and go with it', async (rig) => {
    const name = `tsbuild-test-${process.pid}`;
    const script = 'echo up; cat /proc/self/cgroup; sleep 100';
    for (const parent of [`${name}/deep`, `/${name}`]) {
      const groups = await during(rig, script, { parent, pids: 100, cpusetCpus: '0' }, async (_, id) => groupsOf(id));
      assert.is(groups.length, 4);
      for (const group of groups) assert.ok(group.includes(`/${name}/`), group);
    }
    for (const controller of ['devices', 'memory', 'pids', 'cpuset']) await groupsGone(name, controller);
  });

  test('a parent that two containers share stays until the last has ended', async (rig) => {
    const parent = `tsbuild-test-${process.pid}.shared`;
    await during(rig, 'echo up; sleep 100', { parent }, async () => {
      await rig.output('true', { resources: { parent } });
      assert.ok(groupsOf(parent, 'memory').length > 0);
    });
    await groupsGone(parent, 'memory');
    await groupsGone(parent, 'devices');
  });

  test('statistics tell what a container uses', async (rig) => {
    const script = 'dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; echo up; sleep 100';
    const stats = await during(rig, script, { memoryBytes: 64 * MIB, pids: 20, accounting: true }, (container) =>
      container.stats(),
    );
    assert.ok((stats.memory.currentBytes ?? 0) >= 8 * MIB);
    assert.ok((stats.memory.peakBytes ?? 0) >= (stats.memory.currentBytes ?? 0));
    assert.is(stats.memory.limitBytes, 64 * MIB);
    assert.ok((stats.memory.fileBytes ?? 0) >= 8 * MIB);
    assert.ok((stats.cpu.usageUs ?? 0) > 0);
    assert.equal(stats.pids, { current: 1, limit: 20 });
    assert.type(stats.io.readBytes, 'number');
  });

  test('statistics leave out what is not counted', async (rig) => {
    const stats = await during(rig, 'echo up; sleep 100', {}, (container) => container.stats());
    assert.ok((stats.memory.currentBytes ?? 0) > 0);
    assert.is(stats.memory.limitBytes, undefined);
    assert.equal([stats.cpu, stats.pids, stats.io], [{}, {}, {}] as unknown as ContainerStats['cpu'][]);
  });

  test('a container that is gone has no statistics', async (rig) => {
    let container: RunningContainer | undefined;
    await rig.run(rig.spec('true'), { onStarted: (running) => (container = running) });
    assert.ok(container);
    assert.is((await errorOf(container.stats())).code, 'container-not-running');
  });

  test('a paused container stands still until it goes on', async (rig) => {
    const script = 'echo up; i=0; while :; do i=$((i+1)); (:); done';
    await during(rig, script, { accounting: true }, async (container, id) => {
      await container.pause();
      const states = processesOf(id).map(stateOf);
      assert.ok(states.length > 0);
      assert.ok(states.every((state) => state === 'D'));
      const before = await container.stats();
      assert.equal((await container.stats()).cpu.usageUs, before.cpu.usageUs);
      assert.is((await errorOf(container.pause())).message, 'Cannot pause the container: the container is paused');
      await container.unpause();
      while ((await container.stats()).cpu.usageUs === before.cpu.usageUs);
      assert.match((await errorOf(container.unpause())).message, 'is not paused');
    });
  });

  test('a paused container can be killed', async (rig) => {
    const spec = rig.spec('sleep 100');
    const { exit } = await rig.run(spec, {
      onStarted: (container) => void container.pause().then(() => container.kill('SIGKILL')),
    });
    assert.is(exit.code, 137);
    await groupsGone(spec.id);
  });

  test('a paused container ends with its supervisor, and its groups are swept', async (rig) => {
    const spec = rig.spec('sleep 100');
    let pid = 0;
    const { code } = await errorOf(
      rig.run(spec, {
        onStarted: (container) => {
          pid = container.pid;
          void container.pause().then(() => process.kill(parentOf(pid), 'SIGKILL'));
        },
      }),
    );
    assert.is(code, 'runtime-failed');
    // The first sweep lets the process die, a later one finds its group empty.
    await rig.output('true');
    await until('the process is gone', () => !existsSync(`/proc/${pid}`));
    await rig.output('true');
    await groupsGone(spec.id);
  });
});

function processesOf(id: string): string[] {
  const group = groupsOf(id, 'memory')[0];
  if (group === undefined) return [];
  return readFileSync(join(group, 'cgroup.procs'), 'utf8')
    .split('\n')
    .filter((pid) => pid !== '');
}

function hasCapability(number: number): boolean {
  const [, mask = '0'] = /\nCapEff:\s*([0-9a-f]+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (BigInt(`0x${mask}`) & (1n << BigInt(number))) !== 0n;
}
