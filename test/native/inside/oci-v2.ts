/** The OCI commands with control groups of version 2; see machine.test.ts. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Config } from '../oci-rig.ts';
import { ociSuite } from '../oci-rig.ts';
import { until } from '../until.ts';

const TOP = '/sys/fs/cgroup';
const MIB = 1024 * 1024;
const SLEEP = 'exec sleep 1000';

ociSuite('OCI: control groups of version 2', (test, rig) => {
  const { bundle, config, detached, fresh, run, running, runtime, statusOf } = rig;

  const fileOf = (group: string, name: string): string => readFileSync(join(TOP, group, name), 'utf8').trim();

  /** In a group of its own with `resources`, which it sees as the top. */
  const grouped =
    (group: string, resources: Record<string, unknown>) =>
    (value: Config): void => {
      value.mounts.push(
        { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
        { destination: TOP, type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      );
      const namespaces = ['mount', 'pid', 'ipc', 'uts', 'network', 'cgroup'].map((type) => ({ type }));
      Object.assign(value.linux, { cgroupsPath: group, resources, namespaces });
    };

  const gone = (group: string): Promise<void> => until('the group is gone', () => !existsSync(join(TOP, group)));

  test('a container goes its way from create to delete in its group, with the limits of config.json', async () => {
    const [id, group, value] = [fresh(), '/oci/deep/life', config(SLEEP)];
    grouped(group, {
      memory: { limit: 64 * MIB, reservation: 32 * MIB, swap: 96 * MIB },
      cpu: { shares: 1024, quota: 50_000, period: 100_000 },
      pids: { limit: 20 },
      unified: { 'memory.high': String(48 * MIB) },
      devices: [
        { allow: false, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
      ],
    })(value);
    const created = detached('create', '-b', bundle(value), id);
    assert.is(created.status, 0, created.stderr);
    assert.is(statusOf(id), 'created');
    const files = ['memory.max', 'memory.low', 'memory.high', 'cpu.weight', 'cpu.max', 'pids.max'];
    assert.equal(
      files.map((name) => fileOf(group, name)),
      [String(64 * MIB), String(32 * MIB), String(48 * MIB), '100', '50000 100000', '20'],
    );
    assert.is(runtime('start', id).status, 0);
    assert.is(statusOf(id), 'running');
    const script = `cat /proc/self/cgroup ${TOP}/pids.max; mknod /dev/d c 1 11; head -c 1 /dev/d; echo x > /dev/null && echo allowed`;
    const { stdout, stderr } = runtime('exec', id, 'sh', '-c', script);
    assert.equal([stdout, stderr], ['0::/\n20\nallowed\n', 'head: /dev/d: Operation not permitted\n']);
    const { data } = JSON.parse(runtime('events', '--stats', id).stdout);
    assert.equal([data.memory.usage.limit, data.pids], [64 * MIB, { current: 1, limit: 20 }]);
    assert.ok(data.cpu.usage.total > 0 && data.memory.usage.usage > 0);
    assert.is(runtime('kill', id, 'KILL').status, 0);
    await until('it has stopped', () => statusOf(id) === 'stopped');
    const deleted = runtime('delete', id);
    assert.is(deleted.status, 0, deleted.stderr);
    await gone(group);
  });

  test('a container without limits is counted, and can be given some', async () => {
    const group = '/oci/free';
    const id = running(SLEEP, grouped(group, {}));
    const { data } = JSON.parse(runtime('events', '--stats', id).stdout);
    assert.ok(data.memory.usage.usage > 0 && data.pids.current === 1, JSON.stringify(data));
    const larger = runtime('update', '--memory', '64m', '--memory-swap', '96m', '--pids-limit', '9', id);
    assert.is(larger.status, 0, larger.stderr);
    const limits = ['--memory', '32m', '--cpu-quota', '20000', '--cpu-period', '50000', '--cpu-share', '512'];
    const smaller = runtime('update', ...limits, id);
    assert.is(smaller.status, 0, smaller.stderr);
    assert.equal(
      ['memory.max', 'pids.max', 'cpu.max', 'cpu.weight'].map((name) => fileOf(group, name)),
      [String(32 * MIB), '9', '20000 50000', '59'],
    );
    assert.is(runtime('update', '--cpu-quota', '10000', id).status, 0);
    assert.is(fileOf(group, 'cpu.max'), '10000 50000');
    assert.match(runtime('update', '--cpuset-cpus', '0', id).stderr, 'cpuset.cpus');
    assert.is(runtime('delete', '-f', id).status, 0);
    await gone(group);
  });

  test('pause and resume; what is paused can be killed and deleted', async () => {
    const group = '/oci/paused';
    const id = running(SLEEP, grouped(group, {}));
    assert.is(runtime('pause', id).status, 0);
    assert.is(statusOf(id), 'paused');
    assert.match(fileOf(group, 'cgroup.events'), 'frozen 1');
    assert.is(runtime('resume', id).status, 0);
    assert.is(statusOf(id), 'running');
    assert.is(runtime('pause', id).status, 0);
    assert.is(runtime('kill', id, 'KILL').status, 0);
    await until('it has stopped', () => statusOf(id) === 'stopped');
    assert.is(runtime('delete', id).status, 0);
    await gone(group);
  });

  test('an out-of-memory kill ends the container, and its group goes', async () => {
    const value = config('exec tail /dev/zero');
    grouped('/oci/small', { memory: { limit: 16 * MIB, swap: 16 * MIB } })(value);
    const { status, stderr } = run(value);
    assert.is(status, 137, stderr);
    await gone('/oci/small');
  });

  test('groups that a container has made in its own go with it', async () => {
    const group = '/oci/parent';
    const script = `cd ${TOP} && mkdir -p a/b && echo $$ > a/b/cgroup.procs && echo +pids > cgroup.subtree_control; ${SLEEP}`;
    const id = running(script, (value) => {
      grouped(group, {})(value);
      for (const mount of value.mounts.slice(-1)) mount['options'] = ['rw'];
    });
    await until('it is below', () => existsSync(join(TOP, group, 'a/b')) && fileOf(group, 'a/b/cgroup.procs') !== '');
    assert.is(runtime('delete', '-f', id).status, 0);
    await gone(group);
  });

  // Only here: a runtime that took such a path would kill what runs on the machine.
  test('a path that is not of a group below the top, and what version 2 does not have, are errors', () => {
    for (const path of ['/', '/..', '/oci/..', '.', '/oci/../x']) {
      const value = config('true');
      value.linux['cgroupsPath'] = path;
      assert.match(run(value).stderr, 'Invalid argument', path);
    }
    const value = config('true');
    value.linux['resources'] = { memory: { limit: MIB, swappiness: 7 } };
    assert.match(run(value).stderr, 'swappiness: is not known to control groups of version 2');
  });
});
