import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquireLease, oldestLiveLease } from '../../src/cache/lease.ts';
import { currentOwner, ownedName } from '../../src/core/owner.ts';
import { tempDir } from './rig.ts';

const test = suite('leases');

test('the oldest build that is running counts', async () => {
  using dir = tempDir();
  const leases = join(dir.path, 'leases');
  assert.is(await oldestLiveLease(leases), undefined);
  {
    await using second = await acquireLease(leases, () => 2000);
    {
      await using first = await acquireLease(leases, () => 1000);
      assert.is(first.startedAtMs, 1000);
      assert.is(await oldestLiveLease(leases), 1000);
    }
    assert.is(second.startedAtMs, 2000);
    assert.is(await oldestLiveLease(leases), 2000);
  }
  assert.is(await oldestLiveLease(leases), undefined);
  assert.equal(readdirSync(leases), []);
});

test('releasing twice is no error', async () => {
  using dir = tempDir();
  const lease = await acquireLease(dir.path);
  await lease[Symbol.asyncDispose]();
  await lease[Symbol.asyncDispose]();
});

test('a lease ends with its process, also one that was killed', async () => {
  using dir = tempDir();
  const script = `
    const { acquireLease } = await import(${JSON.stringify(new URL('../../src/cache/lease.ts', import.meta.url).href)});
    await acquireLease(${JSON.stringify(dir.path)}, () => 1000);
    process.kill(process.pid, 'SIGKILL');`;
  assert.throws(() =>
    execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: 'pipe' }),
  );
  assert.is(readdirSync(dir.path).length, 1);
  await using own = await acquireLease(dir.path, () => 5000);
  assert.is(await oldestLiveLease(dir.path), own.startedAtMs);
  assert.is(readdirSync(dir.path).length, 1);
});

test('a later process with the same pid is not the holder, and neither is one of an earlier boot', async () => {
  using dir = tempDir();
  const self = currentOwner();
  for (const owner of [
    { ...self, startTime: '1' },
    { ...self, bootId: 'f00d' },
  ]) {
    writeFileSync(join(dir.path, ownedName('1000-ab', owner)), '');
    assert.is(await oldestLiveLease(dir.path), undefined);
    assert.equal(readdirSync(dir.path), []);
  }
});

test('a process in another pid namespace may be alive; other files are left alone', async () => {
  using dir = tempDir();
  writeFileSync(join(dir.path, ownedName('1000-ab', { ...currentOwner(), pidNamespace: '1' })), '');
  writeFileSync(join(dir.path, 'README'), '');
  assert.is(await oldestLiveLease(dir.path), 1000);
  assert.is(readdirSync(dir.path).length, 2);
});

test.run();
