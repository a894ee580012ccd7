/** Control groups of version 2, in a machine of its own (machine.test.ts) that has no others. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ContainerRig } from '../../support/container.ts';
import { entriesOf, groupsGone, groupsOf } from '../groups.ts';
import { during, errorOf, parentOf, stateOf } from '../running.ts';
import { until } from '../until.ts';

const MIB = 1024 * 1024;
const TOP = '/sys/fs/cgroup';

/** Every group there is. */
function allGroups(directory = TOP): string[] {
  const below = entriesOf(directory).filter((entry) => entry.isDirectory());
  return [directory, ...below.flatMap(({ name }) => allGroups(join(directory, name)))];
}

/** Moves this process. */
function enter(group: string): void {
  writeFileSync(join(group, 'cgroup.procs'), String(process.pid));
}

/** Where the caller of a container is: in the top group, or with others like it in one below, as in a session. */
type Place = { readonly name: string; readonly group: string };
const PLACES: readonly Place[] = [
  { name: 'at the top', group: TOP },
  { name: 'in a session', group: join(TOP, 'session') },
];

for (const { name, group } of PLACES) {
  const groups = suite(`control groups of version 2, ${name}`);
  let rig: ContainerRig;
  let before: string[];

  groups.before(() => {
    if (group !== TOP) mkdirSync(group);
    enter(group);
    before = allGroups();
    rig = new ContainerRig();
  });
  groups.after(async () => {
    await rig.runtime.close();
    rig.remove();
    enter(TOP);
    if (group !== TOP) rmdirSync(group);
  });

  /** No test leaves a group, also none above that it was made in. */
  const test = (title: string, body: (rig: ContainerRig) => Promise<void>): void => {
    groups(title, async () => {
      await body(rig);
      await until('no group is left', () => String(allGroups()) === String(before));
    });
  };

  test('a limit on memory ends what needs more', async (rig) => {
    const resources = { memoryBytes: 16 * MIB, memorySwapBytes: 16 * MIB };
    assert.equal((await rig.run(rig.spec('exec tail /dev/zero', { resources }))).exit, { code: 137, oomKilled: true });
  });

  test('a kill of its own is no out-of-memory kill', async (rig) => {
    const script = 'sleep 100 & kill -9 $!; wait $!';
    for (const resources of [{}, { memoryBytes: 32 * MIB }]) {
      assert.equal((await rig.run(rig.spec(script, { resources }))).exit, { code: 137, oomKilled: false });
    }
  });

  test('limits are in the files of the one group, which the container sees as the top', async (rig) => {
    const resources = {
      memoryBytes: 64 * MIB,
      memoryReservationBytes: 32 * MIB,
      cpuShares: 512,
      cpuPeriodUs: 50_000,
      cpuQuotaUs: 25_000,
      pids: 20,
    };
    const files = 'memory.max memory.low cpu.weight cpu.max pids.max';
    const script = `cat /proc/self/cgroup; cd ${TOP}; cat ${files}; touch x 2>&1; mkdir x 2>&1`;
    const { stdout } = await rig.run(rig.spec(script, { resources }));
    assert.is(
      stdout,
      `0::/\n${64 * MIB}\n${32 * MIB}\n59\n25000 50000\n20\n` +
        'touch: x: Read-only file system\n' +
        "mkdir: can't create directory 'x': Read-only file system\n",
    );
  });

  test('a limit on processes makes fork fail', async (rig) => {
    const script = 'for i in 1 2 3 4 5 6; do sleep 50 & done; echo unreached';
    const { exit, stdout, stderr } = await rig.run(rig.spec(script, { resources: { pids: 4 } }));
    assert.is.not(exit.code, 0);
    assert.is(stdout, '');
    assert.match(stderr, "can't fork");
  });

  test('what version 2 does not have is an error', async (rig) => {
    const swappiness = await errorOf(
      rig.run(rig.spec('true', { resources: { memoryBytes: MIB, memorySwappiness: 7 } })),
    );
    assert.is(swappiness.message, 'Cannot limit the container: control groups of version 2 have no swappiness');
    const disable = await errorOf(rig.run(rig.spec('true', { resources: { memoryBytes: MIB, oomKillDisable: true } })));
    assert.match(disable.message, 'cannot disable the out-of-memory killer');
  });

  test('a controller that the kernel lacks is an error', async (rig) => {
    const { message } = await errorOf(rig.run(rig.spec('true', { resources: { cpusetCpus: '0' } })));
    assert.match(message, /^Cannot limit the container: .*no control group at or above/);
  });

  test('a quota of processor time throttles, and statistics tell what is used', async (rig) => {
    const script =
      'dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; i=0; while [ $i -lt 9000 ]; do i=$((i+1)); done; echo up; sleep 100';
    const resources = { memoryBytes: 64 * MIB, pids: 20, cpuQuotaUs: 50_000, accounting: true };
    const stats = await during(rig, script, resources, (container) => container.stats());
    assert.ok((stats.cpu.usageUs ?? 0) > 0);
    assert.ok((stats.cpu.throttledPeriods ?? 0) > 0);
    assert.ok((stats.memory.currentBytes ?? 0) >= 8 * MIB);
    assert.ok((stats.memory.fileBytes ?? 0) >= 8 * MIB);
    assert.is(stats.memory.limitBytes, 64 * MIB);
    assert.equal(stats.pids, { current: 1, limit: 20 });
  });

  test('groups are made below the parent that was asked for, and go with it', async (rig) => {
    const script = 'echo up; sleep 100';
    const relative = group === TOP ? 'relative' : undefined;
    for (const parent of ['/absolute/deep', ...(relative === undefined ? [] : [relative])]) {
      const groups = await during(rig, script, { parent, memoryBytes: 64 * MIB }, async (_, id) => groupsOf(id));
      assert.equal(groups.length, 1);
      assert.match(groups[0] ?? '', join(TOP, parent, 'tsbuild'));
    }
  });

  test('a container without limits is in a group of its own, below its caller', async (rig) => {
    const groups = await during(rig, 'echo up; sleep 100', {}, async (_, id) => groupsOf(id));
    assert.equal(groups.length, 1);
    assert.ok(groups[0]?.startsWith(`${group}/tsbuild/`), groups[0]);
  });

  test('a paused container stands still until it goes on', async (rig) => {
    const script = 'echo up; i=0; while :; do i=$((i+1)); done';
    await during(rig, script, { accounting: true }, async (container, id) => {
      await container.pause();
      const [own = ''] = groupsOf(id);
      assert.match(readFileSync(join(own, 'cgroup.events'), 'utf8'), 'frozen 1');
      const before = await container.stats();
      assert.equal((await container.stats()).cpu.usageUs, before.cpu.usageUs);
      await container.unpause();
      await until('it is not frozen', () => /frozen 0/.test(readFileSync(join(own, 'cgroup.events'), 'utf8')));
      assert.is.not(stateOf(String(container.pid)), 'D');
    });
  });

  test('a paused container can be killed, and ends with its supervisor', async (rig) => {
    const { exit } = await rig.run(rig.spec('sleep 100'), {
      onStarted: (container) => void container.pause().then(() => container.kill('SIGKILL')),
    });
    assert.is(exit.code, 137);
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
    await until('the process is gone', () => !existsSync(`/proc/${pid}`));
    await rig.output('true');
    await groupsGone(spec.id);
  });

  test('a kill reaches every process of a group', async (rig) => {
    const script = 'for i in 1 2 3 4 5; do setsid sleep 4321 & done; echo up; sleep 4321';
    let own = '';
    await during(rig, script, {}, async (container, id) => {
      [own = ''] = groupsOf(id);
      await until('all run', () => readFileSync(join(own, 'cgroup.procs'), 'utf8').split('\n').length === 7);
      container.kill('SIGKILL');
    });
    assert.is.not(own, '');
    await groupsGone(basename(own).replace(/\.\d+$/, ''));
  });

  test('a device without a rule cannot be opened', async (rig) => {
    const script = 'mknod /tmp/d c 1 11; head -c 1 /tmp/d >/dev/null';
    const { exit, stderr } = await rig.run(rig.spec(script));
    assert.is(stderr, 'head: /tmp/d: Operation not permitted\n');
    assert.is(exit.code, 1);
    assert.is((await rig.run(rig.spec(script, { insecure: true }))).exit.code, 0);
    // Devices that there is a rule for.
    await rig.output(
      'head -c 1 /dev/zero /dev/random /dev/urandom > /dev/null; test -c /dev/full && head -c 1 /dev/full > /dev/null',
    );
  });

  test('groups that a container has made in its own go with it', async (rig) => {
    const script = `cd ${TOP}; mkdir -p a/b c; sleep 100 & echo $! > a/b/cgroup.procs; cat a/b/cgroup.procs >&2`;
    const { exit, stderr } = await rig.run(rig.spec(script, { insecure: true }));
    assert.is(exit.code, 0);
    assert.match(stderr, /^\d+\n$/);
  });

  if (group !== TOP) {
    test('an out-of-memory kill by the limit of the caller is told', async (rig) => {
      writeFileSync(join(TOP, 'cgroup.subtree_control'), '+memory');
      writeFileSync(join(group, 'memory.max'), String(150 * MIB));
      writeFileSync(join(group, 'memory.swap.max'), '0');
      try {
        const { exit } = await rig.run(rig.spec('echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero'));
        assert.equal(exit, { code: 137, oomKilled: true });
      } finally {
        writeFileSync(join(group, 'memory.max'), 'max');
      }
    });
  }

  groups.run();
}

const confined = suite('the machine');

confined('cannot write to the files of the machine outside', () => {
  execFileSync('mount', ['-o', 'remount,rw', '/']);
  for (const directory of ['/etc', '/var/tmp', '/root'])
    assert.throws(() => writeFileSync(join(directory, 'tsbuild-machine-probe'), ''), /EROFS/);
});

confined.run();
