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
const DEADLINE_MS = 20_000;

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
/** Nothing stands between the runtime of a run and its container. */
const OF_RUN: readonly Member[] = ['tsbuild', 'keeper', 'first'];

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
    test(`a build: ${victim} is killed when ${stage.name}`, () => killed('build', stage, victim));
  }
}
for (const victim of OF_RUN) {
  const stage = STAGES.at(-1);
  if (stage !== undefined) test(`a run: ${victim} is killed when ${stage.name}`, () => killed('run', stage, victim));
}

test('leases of killed builds go with the next prune', async () => {
  assert.ok(entries(join(lab.store, 'leases')).length > 0);
  await lab.ok(['prune', '-f']);
  assert.equal(entries(join(lab.store, 'leases')), []);
});

async function killed(kind: 'build' | 'run', stage: Stage, victim: Member): Promise<void> {
  // A number of seconds that no other process sleeps for tells the processes of this build from all others.
  const mark = `${7_000_000 + process.pid}.${++marks}`;
  const args =
    kind === 'run'
      ? ['run', '--rm', 'busybox', 'sh', '-c', `echo "it"" runs"; sleep ${mark} & setsid sleep ${mark} & sleep ${mark}`]
      : ['build', '--progress', 'plain', '--secret', 'id=s,src=secret', '--build-arg', `MARK=${mark}`, 'long'];
  const child = spawn(BIN, args, {
    cwd: lab.dir,
    env: { ...process.env, TSBUILD_ROOT: lab.store },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  using _ = { [Symbol.dispose]: () => void child.kill('SIGKILL') };
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  let ending: { readonly code: number | null } | undefined;
  child.once('exit', (code) => (ending = { code }));
  let family: Family = { tsbuild: child.pid ?? 0 };
  await until(`${stage.name}; it said:\n${output}`, () => {
    assert.is(child.exitCode, null, output);
    family = familyOf(child, kind);
    return family[victim] !== undefined && stage.isReached(family, output, lab);
  });
  const pid = family[victim];
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  await until('it has ended', () => ending !== undefined);
  assert.is.not(ending?.code, 0, 'it was noticed');
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

/** A build's containers are started by the helper below `tsbuild-runtime serve`, those of `run` by `tsbuild-runtime container` itself. */
function familyOf(child: ChildProcess, command: 'build' | 'run'): Family {
  const tsbuild = child.pid ?? 0;
  const keeper = childrenOf(tsbuild).find((pid) =>
    commandOf(pid).includes(command === 'run' ? ' container' : ' serve'),
  );
  if (keeper === undefined) return { tsbuild };
  // Other children of the keeper make networks, in its own pid namespace.
  const below = childrenOf(keeper).find(isFirstOfNamespace);
  if (command === 'run') return { tsbuild, keeper, helper: keeper, first: below };
  return {
    tsbuild,
    keeper,
    helper: below,
    first: below === undefined ? undefined : childrenOf(below).find(isFirstOfNamespace),
  };
}

function isFirstOfNamespace(pid: number): boolean {
  return /^NSpid:\s*\d+(\s+\d+)*\s+1$/m.test(read(`/proc/${pid}/status`));
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
