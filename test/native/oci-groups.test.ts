/** The control groups of OCI containers: limits, their changes, and what is used. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { ociSuite } from './oci-rig.ts';

ociSuite('OCI: control groups', (test, rig) => {
  const { config, directory, run, running, runtime } = rig;

  test('gives groups the limits of config.json, and removes them', () => {
    const value = config('cat /proc/self/cgroup');
    const group = `/tsbuild-test/limits-${process.pid}`;
    Object.assign(value.linux, {
      cgroupsPath: group,
      resources: { pids: { limit: 44 }, devices: [{ allow: false, access: 'rwm' }] },
    });
    const { stdout, stderr, status } = run(value);
    assert.is(status, 0, stderr);
    assert.match(stdout, group);
    assert.not.ok(existsSync(`/sys/fs/cgroup/pids${group}`) || existsSync(`/sys/fs/cgroup${group}`));
  });

  /** The value of a container's file: version 1's, or version 2's. */
  function valueOf(group: string, controller: string, v1: string, v2: string): string {
    const old = `/sys/fs/cgroup/${controller}${group}/${v1}`;
    return readFileSync(existsSync(old) ? old : `/sys/fs/cgroup${group}/${v2}`, 'utf8').trim();
  }

  test('update changes limits, whatever they were', () => {
    const group = `/tsbuild-test/update-${process.pid}`;
    const id = running('exec sleep 1000', (value) => {
      Object.assign(value.linux, { cgroupsPath: group, resources: { memory: { limit: 64 << 20, swap: 128 << 20 } } });
    });
    const memory = (): string => valueOf(group, 'memory', 'memory.limit_in_bytes', 'memory.max');
    const pids = (): string => valueOf(group, 'pids', 'pids.max', 'pids.max');
    assert.is(memory(), String(64 << 20));
    const larger = runtime('update', '--memory', '512m', '--memory-swap', '1g', '--pids-limit', '33', id);
    assert.is(larger.status, 0, larger.stderr);
    assert.equal([memory(), pids()], [String(512 << 20), '33']);
    const smaller = runtime('update', '--memory', '32m', '--memory-swap=64m', id);
    assert.is(smaller.status, 0, smaller.stderr);
    assert.is(memory(), String(32 << 20));
    const file = join(directory, 'resources.json');
    writeFileSync(file, JSON.stringify({ pids: { limit: 7 } }));
    assert.is(runtime('update', '--resources', file, id).status, 0);
    assert.is(pids(), '7');
    writeFileSync(file, JSON.stringify({ devices: [{ allow: true }] }));
    assert.match(runtime('update', '--resources', file, id).stderr, 'devices: is not supported');
    assert.match(runtime('update', '--memory', 'much', id).stderr, 'flag "--memory" wants a number, not "much"');
    assert.is(runtime('delete', '-f', id).status, 0);
  });

  test('events --stats tells what is used', () => {
    const id = running('head -c 30m /dev/zero > /dev/null; exec sleep 1000', (value) => {
      value.linux['resources'] = { memory: { limit: 64 << 20 }, pids: { limit: 12 } };
    });
    const { stdout, stderr, status } = runtime('events', '--stats', id);
    assert.is(status, 0, stderr);
    const { type, id: of, data } = JSON.parse(stdout);
    assert.equal([type, of, data.memory.usage.limit, data.pids.limit], ['stats', id, 64 << 20, 12]);
    assert.ok(data.cpu.usage.total > 0 && data.memory.usage.usage > 0 && data.pids.current >= 1, stdout);
    runtime('delete', '-f', id);
    assert.match(runtime('events', '--stats', id).stderr, 'does not exist');
  });
});
