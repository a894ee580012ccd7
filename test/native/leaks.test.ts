/** One helper, hundreds of containers: it has as much open afterwards as before, and nothing of them is left anywhere. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errnoOf } from '../../src/core/errors.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import { ContainerRig } from '../support/container.ts';
import { NetLab } from '../support/net-lab.ts';
import { privileged } from '../support/privileged.ts';
import { groupsNamed } from './groups.ts';
import { until } from './until.ts';

const test = privileged(suite('leaks of a helper'));

const WARM_UP = 30;
const CONTAINERS = 100;
const AT_ONCE = 8;
/** Of a kind, as in c/net_pool.h: ready for containers to come. */
const NAMESPACES_MAX = 16;
/** In KiB, for all containers together. A description alone has more than this for each. */
const GROWTH_MAX = 256;
const MARK = `leak-${process.pid}`;

/** Has processes that outlive their parent, files in the shared memory and a limit, so that there is something to leave behind. */
const SCRIPT = `echo x > /dev/shm/${MARK}; sleep 1000 & (sleep 1000 &) ; mkfifo /tmp/f 2>/dev/null; echo done; echo error >&2`;

interface Member {
  readonly pid: number;
  readonly name: string;
  /** What each descriptor is, sorted; network namespaces are counted apart. */
  readonly open: readonly string[];
  readonly namespaces: number;
  readonly mounts: number;
  readonly anonymousKiB: number;
}

/** What `read` gives; undefined for a process or descriptor that has gone meanwhile. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function childrenOf(pid: number): number[] {
  const tasks = ifThere(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  const text = tasks.map((task) => ifThere(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')) ?? '');
  return text.join(' ').split(/\s+/).filter(Boolean).map(Number);
}

/** Of its mounts those of the rig's directories; others are the machine's, where more may be going on. */
function look(pid: number, directory: string): Member | undefined {
  return ifThere(() => {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return {
      pid,
      name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim(),
      open: links
        .filter((link) => !link.startsWith('net:'))
        .map((link) => link.replace(/\[\d+\]|\d+/g, 'N'))
        .sort(),
      namespaces: links.filter((link) => link.startsWith('net:')).length,
      mounts: mountsOf(pid, directory).length,
      anonymousKiB: Number(/^Anonymous:\s+(\d+)/m.exec(rollup)?.[1]),
    };
  });
}

/** The helper and what else belongs to the runtime: all below this process but the lab's servers and the loader of tests. */
function family(others: ReadonlySet<number>, directory: string): Member[] {
  const found: Member[] = [];
  const visit = (pid: number): void => {
    for (const child of childrenOf(pid)) {
      if (others.has(child)) continue;
      const member = look(child, directory);
      if (member !== undefined) found.push(member);
      visit(child);
    }
  };
  visit(process.pid);
  return found.sort((a, b) => a.pid - b.pid);
}

const describeFamily = (members: readonly Member[]): unknown =>
  members.map(({ pid, name, open, mounts }) => ({ pid, name, open, mounts }));

const sum = (members: readonly Member[], of: (member: Member) => number): number =>
  members.reduce((total, member) => total + of(member), 0);

const marks = (): string[] => readdirSync('/dev/shm').filter((name) => name.startsWith(MARK));
const mountsOf = (pid: number, directory: string): string[] =>
  readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory));

async function runMany(rig: ContainerRig, count: number, atOnce: number): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const network = left % 2 === 0 ? 'bridge' : 'none';
      const { exit, stdout } = await rig.run(
        rig.spec(SCRIPT, { network, resources: { memoryBytes: 64 << 20 }, init: left % 3 === 0 }),
      );
      assert.is(exit.code, 0);
      assert.is(stdout, 'done\n');
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

for (const [title, atOnce] of [
  ['one after the other', 1],
  [`${AT_ONCE} at a time`, AT_ONCE],
] as const) {
  test(`${CONTAINERS} containers, ${title}, leave nothing`, async () => {
    using lab = await NetLab.open();
    const others = new Set(childrenOf(process.pid));
    const network = lab.snapshot();
    const runtime = createNativeRuntime({ binaryPath: lab.inHost(findRuntimeBinary(), 'runtime') });
    const rig = new ContainerRig(runtime);
    const groups = (): string[] => groupsNamed((name) => name.includes(`test-${process.pid}-`));
    try {
      await runMany(rig, WARM_UP, AT_ONCE);
      await until('the groups of the first are gone', () => groups().length === 0);
      const before = family(others, rig.directory);
      assert.ok(before.length > 0, 'there is no helper');

      await runMany(rig, CONTAINERS, atOnce);
      await until('the groups are gone', () => groups().length === 0);
      await until(
        'processes, descriptors and mounts are as before',
        () => JSON.stringify(describeFamily(family(others, rig.directory))) === JSON.stringify(describeFamily(before)),
      ).catch(() => assert.equal(describeFamily(family(others, rig.directory)), describeFamily(before)));

      const after = family(others, rig.directory);
      for (const { name, namespaces } of after)
        assert.ok(namespaces <= 4 * NAMESPACES_MAX, `${name} has ${namespaces} network namespaces`);
      const growth = sum(after, (member) => member.anonymousKiB) - sum(before, (member) => member.anonymousKiB);
      const size = sum(after, (member) => member.anonymousKiB);
      console.log(`${CONTAINERS} containers ${title}: ${size} KiB, ${growth} more than before`);
      assert.ok(growth <= GROWTH_MAX, `${growth} KiB more after ${CONTAINERS} containers`);
      assert.equal(marks(), []);
    } finally {
      await runtime.close();
      rig.remove();
    }
    assert.equal(family(others, rig.directory), []);
    assert.is(lab.snapshot(), network);
    assert.equal(mountsOf(process.pid, rig.directory), []);
    // The rig's own directories are all that was ever there.
    assert.is(
      ifThere(() => readdirSync(join(rig.directory))),
      undefined,
    );
  });
}

test.run();
