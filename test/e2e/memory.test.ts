/** A step that takes more memory than there is, in a group with a real limit. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errnoOf } from '../../src/core/errors.ts';
import { BIN, Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const suiteOfMemory = suite('lack of memory, end to end');
const test = privileged(suiteOfMemory);
/** Enough for tsbuild; a step that takes all of it is by far the largest process then. */
const LIMIT_BYTES = 256 << 20;

interface Group {
  readonly dir: string;
  /** Version 2 lets no group that has processes tell what happens in a group below, so a kill is only suspected. */
  readonly isCounted: boolean;
}

/** A new memory group, or `undefined` where none can be made. */
function makeGroup(): Group | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, , , root = '', point = '', ...rest] = line.split(' ');
    const [type, , options = ''] = rest.slice(rest.indexOf('-') + 1);
    const isV1 = type === 'cgroup' && options.split(',').includes('memory');
    if (!isV1 && type !== 'cgroup2') continue;
    if (!isV1 && !/\bmemory\b/.test(readIfThere(join(point, 'cgroup.subtree_control')))) continue;
    const own = isV1
      ? (/^\d+:(?:.*,)?memory(?:,.*)?:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/')
      : '/';
    // A mount that shows a part only has this process at its top.
    const base = join(point, root === '/' ? own : '/');
    const dir = join(base, `tsbuild-test-${process.pid}`);
    try {
      mkdirSync(dir);
      writeFileSync(join(dir, isV1 ? 'memory.limit_in_bytes' : 'memory.max'), String(LIMIT_BYTES));
      const swap = join(dir, 'memory.swap.max');
      if (existsSync(swap)) writeFileSync(swap, '0');
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
      continue;
    }
    return { dir, isCounted: isV1 };
  }
  return undefined;
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The kernel lets go of a group a moment after its last process has ended. */
async function removeGroup({ dir }: Group): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      rmdirSync(dir);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY') throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  throw new Error(`"${dir}" still has processes or groups`);
}

test('a step that is killed for lack of memory says so, and the next build works', async () => {
  const group = makeGroup();
  if (group === undefined) {
    console.error('skipped: there is no memory controller to set a limit with');
    return;
  }
  await using lab = await Lab.open();
  const limited = async (command: string) =>
    spawnSync('sh', ['-c', `echo $$ > ${group.dir}/cgroup.procs && exec "$0" "$@"`, BIN, 'build', '.'], {
      cwd: await lab.context('context', { Dockerfile: `FROM busybox\nRUN ${command}\n` }),
      env: { ...process.env, TSBUILD_ROOT: lab.store },
      encoding: 'utf8',
    });
  try {
    const command = 'echo about to take it; dd if=/dev/zero of=/dev/null bs=1G count=1';
    const { status, stderr } = await limited(command);
    assert.is(status, 1, stderr);
    assert.match(stderr, /^Dockerfile:2: /m);
    assert.ok(stderr.includes(`2 >>> | RUN ${command}\n`), stderr);
    const reason = group.isCounted ? 'cannot allocate memory (exit code: 137)' : 'exit code: 137';
    assert.ok(stderr.includes(`process "/bin/sh -c ${command}" did not complete successfully: ${reason}`), stderr);
    assert.match(stderr, /^hint: .*for lack of memory/m);
    const tail = stderr.slice(stderr.indexOf('------\n'));
    assert.match(tail, /about to take it/, 'the last output stands with the error');
    assert.match((await limited('echo less')).stderr, /Successfully built/);
  } finally {
    await removeGroup(group);
  }
});

suiteOfMemory.run();
