/**
 * The table of attempts in attempts/calls.ts, in every kind of container and as root and as a user: no call gives a process of a container
 * more than it has. The same attempts are made where they should succeed, which shows that they are real ones, and with runc.
 */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../../src/runtime-native/binary.ts';
import { ContainerRig } from '../../support/container.ts';
import type { CallAttempt } from './attempts/calls.ts';
import { CALLS, FIRST_PROCESS, isOfThisMachine } from './attempts/calls.ts';
import { attemptsOf } from './attempts/group.ts';
import type { EscapeRunner, Kind } from './runners.ts';
import { closeKinds, KINDS, nativeRunner, ociRunner, whyNoRunc } from './runners.ts';

/** What a kernel answers that lacks the thing: then it could not be granted on this machine. */
const ABSENT = new Set(['ENOENT', 'ENOSYS', 'EAFNOSUPPORT']);
const ATTEMPTS = attemptsOf(CALLS).filter(isOfThisMachine);
const WITH_INIT = attemptsOf(FIRST_PROCESS);

type Outcomes = ReadonlyMap<string, string>;

const tests = suite('escapes: calls');
const isRoot = process.getuid?.() === 0;

function test(name: string, unavailable: string | undefined, body: () => Promise<void>): void {
  const why = isRoot ? unavailable : 'containers need root';
  if (why === undefined) {
    tests(name, body);
    return;
  }
  process.stderr.write(`SKIPPED: ${name}: ${why}\n`);
  tests.skip(name);
}

let rig: ContainerRig;
let probe: string;
/** A process outside, with every right that root has there. */
let outside: ChildProcess;

if (isRoot) {
  tests.before(async () => {
    rig = new ContainerRig();
    probe = rig.fresh('probe');
    const directory = join(import.meta.dirname, 'probe');
    const sources = readdirSync(directory).filter((name) => name.endsWith('.c'));
    const flags = ['-O1', '-static', '-no-pie', '-Wall', '-Wextra', '-Werror', '-o', join(probe, 'program')];
    execFileSync('gcc', [...flags, ...sources], { cwd: directory });
    outside = spawn(join(probe, 'program'), ['wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(outside.stdout);
    await once(outside.stdout, 'data');
  });
  tests.after(async () => {
    outside.kill('SIGKILL');
    await closeKinds();
    await rig.runtime.close();
    rig.remove();
  });
}

function parse(output: string): Outcomes {
  const lines = output.trimEnd().split('\n');
  return new Map(lines.map((line) => line.replace('signal 11', 'SIGSEGV').split('\t') as [string, string]));
}

async function outcomes(runner: EscapeRunner, user?: string, ...flags: readonly string[]): Promise<Outcomes> {
  const args = ['/probe/program', `outside=${outside.pid}`, ...flags];
  return parse(await runner.run({ args, probe, ...(user !== undefined && { user }) }));
}

function notRefused(attempts: readonly CallAttempt[], found: Outcomes, other: Kind['otherRefusals'] = {}): string[] {
  assert.equal([...found.keys()].sort(), attempts.map(({ id }) => id).sort(), 'probe and table agree');
  return attempts
    .filter(({ id, refusals }) => ![...refusals, ...(other[id] ?? [])].includes(found.get(id) ?? ''))
    .map(({ id, name }) => `${id} (${name}): ${found.get(id)}`);
}

/** Columns of the comparison that is printed at the end. */
const seen: { readonly title: string; readonly found: Outcomes }[] = [];

for (const kind of KINDS) {
  test(`${kind.name}: each attempt is refused as it should be`, kind.unavailable, async () => {
    await using runner = await kind.open(rig);
    for (const user of kind.users) {
      const found = await outcomes(runner, user);
      // Without capabilities much is refused earlier, by the permissions of files.
      const attempts =
        user === undefined
          ? ATTEMPTS
          : ATTEMPTS.map((each) => ({ ...each, refusals: [...each.refusals, 'EACCES', 'EPERM'] }));
      assert.equal(notRefused(attempts, found, kind.otherRefusals), [], `as ${user ?? 'root'}`);
      if (user === undefined) seen.push({ title: kind.name, found });
    }
  });
}

test('with all rights, the attempts succeed', undefined, async () => {
  const sandboxed = await outcomes(nativeRunner(rig));
  const granted = await outcomes(nativeRunner(rig, { insecure: true }), undefined, 'isolate');
  const useless = ATTEMPTS.filter(({ id, succeeds }) => {
    const outcome = granted.get(id) ?? 'none';
    return succeeds === 'insecure' && outcome === sandboxed.get(id) && !ABSENT.has(outcome);
  });
  assert.equal(
    useless.map(({ id }) => `${id}: ${granted.get(id)}`),
    [],
    'refused whatever the rights are',
  );
  seen.push({ title: 'with all rights', found: granted });
});

test('on the machine itself, what is tried on the process outside succeeds', undefined, async () => {
  const program = join(probe, 'program');
  const found = parse(execFileSync(program, [`outside=${outside.pid}`, 'on=outside'], { encoding: 'utf8' }));
  for (const { id } of ATTEMPTS.filter(({ succeeds }) => succeeds === 'outside'))
    assert.is(found.get(id), 'granted', id);
});

test('the init of a container cannot be looked into, as another first process can', undefined, async () => {
  const withInit = await outcomes(nativeRunner(rig, { init: true }), undefined, 'on=first');
  assert.equal(notRefused(WITH_INIT, withInit), []);
  const without = await outcomes(nativeRunner(rig), undefined, 'on=first');
  assert.equal(new Set(without.values()), new Set(['granted']));
});

test('what runc refuses with the same config.json is refused by tsbuild runtime', whyNoRunc(), async () => {
  for (const filter of [true, false]) {
    const own = await outcomes(ociRunner(rig, [findRuntimeBinary(), 'oci'], filter));
    const other = await outcomes(ociRunner(rig, ['runc'], filter));
    const weaker = ATTEMPTS.filter(({ id }) => own.get(id) === 'granted' && other.get(id) !== 'granted');
    assert.equal(
      weaker.map(({ id }) => `${id}: ${other.get(id)}`),
      [],
      filter ? 'with the filter' : 'without a filter',
    );
    seen.push({ title: filter ? 'runc' : 'runc without a filter', found: other });
  }
});

tests.after(() => {
  const width = 13;
  const key = seen.map(({ title }, index) => `  ${index + 1} ${title}\n`).join('');
  const rows = ATTEMPTS.map(({ id }) => [
    id.padEnd(20),
    ...seen.map(({ found }) => (found.get(id) ?? '-').padEnd(width)),
  ]);
  const head = ['attempt'.padEnd(20), ...seen.map((_, index) => String(index + 1).padEnd(width))];
  process.stdout.write(`\n\n${key}\n${[head, ...rows].map((row) => `  ${row.join('')}\n`).join('')}`);
});

tests.run();
