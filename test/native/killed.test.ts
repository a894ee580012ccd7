/**
 * `kill -9` of each process of a build and a run, at each stage: after the next command nothing is left of it, no process, mount, control
 * group, interface or unfinished file.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errnoOf } from '../../src/core/errors.ts';
import { BIN, Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('native runtime: killed'));
const DEADLINE_MS = 60_000;

/** The processes of one tsbuild, by what they do; those that are not there yet are undefined. */
interface Family {
  readonly tsbuild: number;
  /** `tsbuild-runtime serve`, which only waits for the helper. */
  readonly keeper?: number | undefined;
  /** The first process of its pid namespace, which starts containers. */
  readonly helper?: number | undefined;
  /** The first process of the container. */
  readonly first?: number | undefined;
}

type Member = keyof Family;

/** When to kill: polled, and true once the stage is reached. */
interface Stage {
  readonly name: string;
  readonly isReached: (family: Family, output: string, lab: Lab) => boolean;
  readonly victims: readonly Member[];
}

const ALL: readonly Member[] = ['tsbuild', 'keeper', 'helper', 'first'];

const STAGES: readonly Stage[] = [
  { name: 'tsbuild has started', isReached: () => true, victims: ['tsbuild'] },
  {
    name: 'a snapshot is being made',
    isReached: (_, __, lab) => entries(join(lab.store, 'snapshots/active')).length > 0,
    victims: ['tsbuild'],
  },
  {
    name: 'the helper is being started',
    isReached: ({ keeper }) => keeper !== undefined,
    victims: ['tsbuild', 'keeper'],
  },
  { name: 'the helper runs', isReached: ({ helper }) => helper !== undefined, victims: ['keeper', 'helper'] },
  { name: 'the container is being made', isReached: ({ first }) => first !== undefined, victims: ALL },
  { name: 'the command runs', isReached: (_, output) => output.includes('it runs'), victims: ALL },
];

let lab: Lab;
let marks = 0;
test.before(async () => {
  lab = await Lab.open();
  writeFileSync(join(lab.dir, 'secret'), 'hidden');
  await lab.context('long', {
    Dockerfile: `FROM busybox
ARG MARK
COPY file /copied
RUN --mount=type=tmpfs,target=/stubs/tmp --mount=type=cache,sharing=locked,target=/cache --mount=type=secret,id=s \\
    echo "it"" runs"; sleep $MARK & setsid sleep $MARK & sleep $MARK
`,
    file: 'content',
  });
  // What the next command does: everything that may find something of the killed one.
  await lab.context('next', {
    Dockerfile: `FROM busybox
ARG MARK
RUN --mount=type=cache,sharing=locked,target=/cache --mount=type=secret,id=s test ! -e /stubs && test -s /run/secrets/s
`,
  });
});
test.after(() => lab[Symbol.asyncDispose]());

for (const stage of STAGES) {
  for (const victim of stage.victims) {
    test(`a build: ${victim} is killed when ${stage.name}`, () =>
      killed(['build', '--progress', 'plain'], stage, victim));
  }
}
for (const victim of ALL) {
  const stage = STAGES.at(-1);
  if (stage !== undefined) test(`a run: ${victim} is killed when ${stage.name}`, () => killed(['run'], stage, victim));
}

test('leases of killed builds go with the next prune', async () => {
  assert.ok(entries(join(lab.store, 'leases')).length > 0);
  await lab.ok(['prune', '-f']);
  assert.equal(entries(join(lab.store, 'leases')), []);
});

async function killed(command: readonly string[], stage: Stage, victim: Member): Promise<void> {
  // A number of seconds that no other process sleeps for tells the processes of this build from all others.
  const mark = `${7_000_000 + process.pid}.${++marks}`;
  const args =
    command[0] === 'run'
      ? ['run', '--rm', 'busybox', 'sh', '-c', `echo "it"" runs"; sleep ${mark} & setsid sleep ${mark} & sleep ${mark}`]
      : [...command, '--secret', 'id=s,src=secret', '--build-arg', `MARK=${mark}`, 'long'];
  const child = spawn(BIN, args, {
    cwd: lab.dir,
    env: { ...process.env, TSBUILD_ROOT: lab.store },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let family: Family = { tsbuild: child.pid ?? 0 };
  await until(`${stage.name}; it said:\n${output}`, () => {
    assert.is(child.exitCode, null, output);
    family = familyOf(child);
    return family[victim] !== undefined && stage.isReached(family, output, lab);
  });
  const pid = family[victim];
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  const code = await ended;
  assert.is.not(code, 0, 'it was noticed');
  await until('its processes are gone', () => remaining(family, mark).length === 0);

  const next = ['build', '--secret', 'id=s,src=secret', '--build-arg', `MARK=${mark}`, 'next'];
  await lab.ok(next);
  await until(`its groups are gone: ${groupsOf(family).join(' ')}`, () => groupsOf(family).length === 0);
  assert.equal(unfinished(lab.store), []);
  assert.equal(
    entries('/dev/shm').filter((name) => isOwnedBy(name, family)),
    [],
  );
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  assert.equal(
    mounts.filter((line) => line.includes(lab.dir)),
    [],
  );
  assert.equal((await lab.ok(['ps', '-aq'])).stdout, '', 'no container is left');
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function familyOf(child: ChildProcess): Family {
  const tsbuild = child.pid ?? 0;
  // `run` may start the container from the runtime itself, without a helper between.
  const keeper = childrenOf(tsbuild).find((pid) => /serve|container/.test(commandOf(pid)));
  if (keeper === undefined) return { tsbuild };
  const below = childrenOf(keeper);
  const isServed = commandOf(keeper).includes('serve');
  const helper = isServed ? below[0] : keeper;
  const first = helper === undefined ? undefined : isServed ? childrenOf(helper)[0] : below[0];
  return { tsbuild, keeper, helper, first };
}

function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const task of entries(`/proc/${pid}/task`))
    children.push(...read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number));
  return children;
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
}

function remaining(family: Family, mark: string): string[] {
  return entries('/proc')
    .filter((name) => /^\d+$/.test(name) && !/\) [ZX] /.test(read(`/proc/${name}/stat`)))
    .filter((name) => {
      const command = commandOf(Number(name));
      return Object.values(family).includes(Number(name)) ? /tsbuild|sleep/.test(command) : command.includes(mark);
    });
}

/** The groups that name the helper, or the runtime of a run. */
function groupsOf(family: Family): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  return points.flatMap((point) => below(point, 6).filter((path) => path.endsWith(`.${family.helper ?? 'none'}`)));
}

function below(directory: string, depth: number): string[] {
  if (depth === 0) return [];
  return readEntries(directory)
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [join(directory, name), ...below(join(directory, name), depth - 1)]);
}

/** Files and directories whose names say that a process is working on them: core/owner.ts. Leases go with the next prune. */
function unfinished(store: string): string[] {
  return readdirSync(store, { recursive: true, encoding: 'utf8' }).filter(
    (path) =>
      !path.startsWith('leases/') &&
      (/\.[0-9a-f]{32}\.\d+\.\d+\.\d+$/.test(path) || /\.(new|tmp|removed)-[0-9a-f]+$/.test(path)),
  );
}

function isOwnedBy(name: string, { tsbuild }: Family): boolean {
  return new RegExp(`^tsbuild-.*\\.${tsbuild}\\.\\d+$`).test(name);
}

function entries(directory: string): string[] {
  return readEntries(directory).map((entry) => entry.name);
}

function readEntries(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    return vanished(error, []);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    return vanished(error, '');
  }
}

/** What is looked at may go at any moment. */
function vanished<T>(error: unknown, instead: T): T {
  if (['ENOENT', 'ESRCH', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) return instead;
  throw error;
}

test.run();
