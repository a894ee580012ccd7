/** Limits without root, in a group of version 2 that is delegated to the user, and in one that is not; see machine.test.ts. */
import { chownSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../support/e2e.ts';
import { BIN, busyboxTar } from '../../support/e2e.ts';
import { OrdinaryUser } from '../../support/ordinary-user.ts';
import { entriesOf } from '../groups.ts';
import { until } from '../until.ts';

const TOP = '/sys/fs/cgroup';
/** What a user needs to have of a group (cgroups(7), "delegation"). */
const DELEGATED = ['', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads'];
const RUN = ['run', '--rm', '--network', 'none'];

const test = suite('limits without root');
let user: OrdinaryUser;

test.before(async () => {
  user = await OrdinaryUser.open('one');
  writeFileSync(join(TOP, 'cgroup.subtree_control'), '+memory +pids +cpu');
  for (const group of ['manager', 'manager/session']) {
    mkdirSync(join(TOP, group));
    for (const file of DELEGATED) chownSync(join(TOP, group, file), user.uid, user.uid);
  }
  mkdirSync(join(TOP, 'login'));
  const imported = await inGroup('login', ['import', '-c', 'CMD ["sh"]', '-', 'busybox:latest'], busyboxTar());
  assert.is(imported.code, 0, imported.stderr);
});
test.after(async () => {
  await until('the groups can go', () => {
    try {
      for (const group of ['manager/session', 'manager', 'login']) rmdirSync(join(TOP, group));
      return true;
    } catch {
      return false;
    }
  });
  await user[Symbol.asyncDispose]();
});

/** tsbuild as the user, with its shell in `group`. */
function inGroup(group: string, args: readonly string[], input?: Uint8Array): Promise<Outcome> {
  const prepare = `echo $$ > ${TOP}/${group}/cgroup.procs`;
  return user.run([BIN, ...args], { prepare, ...(input !== undefined && { input }) });
}

test('limits hold in a delegated group, although its session has processes', async () => {
  const script = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; exec tail /dev/zero';
  const limits = ['-m', '16m', '--memory-swap', '16m', '--pids-limit', '9'];
  const { code, stdout, stderr } = await inGroup('manager/session', [...RUN, ...limits, 'busybox', 'sh', '-c', script]);
  assert.is(stdout, `${16 * 1024 * 1024}\n9\n`, stderr);
  assert.is(code, 137);
  await until('its groups are gone', () => !entriesOf(join(TOP, 'manager')).some(({ name }) => name === 'tsbuild'));
});

test('where nothing is delegated, limits are an error that says what to do, and a run without them works', async () => {
  const limited = await inGroup('login', [...RUN, '-m', '16m', 'busybox', 'true']);
  assert.match(limited.stderr, 'Cannot limit the container: no control group at or above');
  assert.match(limited.stderr, 'systemd-run --user --scope -p Delegate=yes');
  assert.is(limited.code, 125);
  const free = await inGroup('login', [...RUN, 'busybox', 'echo', 'ran']);
  assert.is(free.stdout, 'ran\n', free.stderr);
});

test.run();
