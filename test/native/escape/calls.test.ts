/**
 * The table of attempts in attempts.ts, as root and as a user: no call gives a process of a container more than it has. The same
 * attempts are made where they should succeed, which shows that they are real ones, and with runc, where it is installed.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ContainerRig } from '../../support/container.ts';
import { containerSuite } from '../../support/container.ts';
import { ATTEMPTS } from './attempts.ts';
import type { EscapeRunner, Job } from './runners.ts';
import { judgedRunners, nativeRunner, runcRunner } from './runners.ts';

/** What a kernel answers that lacks the thing: then it could not be granted on this machine. */
const ABSENT = new Set(['ENOENT', 'ENOSYS', 'EAFNOSUPPORT']);

function compileProbe(rig: ContainerRig): string {
  const directory = rig.fresh('probe');
  const sources = readdirSync(join(import.meta.dirname, 'probe')).filter((name) => name.endsWith('.c'));
  const flags = ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', join(directory, 'program')];
  execFileSync('gcc', [...flags, ...sources], { cwd: join(import.meta.dirname, 'probe') });
  return directory;
}

async function outcomes(runner: EscapeRunner, job: Job): Promise<ReadonlyMap<string, string> | undefined> {
  const output = await runner.run(job);
  if (output === undefined) return undefined;
  return new Map(
    output.split('\n').map((line) => line.replace('signal 11', 'SIGSEGV').split('\t') as [string, string]),
  );
}

function isRefusal(runner: EscapeRunner, refusals: readonly string[], outcome: string | undefined): boolean {
  return outcome !== undefined && (refusals.includes(outcome) || runner.otherRefusals.has(outcome));
}

containerSuite('escapes: calls', (test) => {
  let probe: string;

  test('as root and as a user, each attempt is refused as it should be', async (rig) => {
    probe = compileProbe(rig);
    for (const runner of judgedRunners(rig)) {
      for (const user of [undefined, 'app']) {
        const found = await outcomes(runner, { args: ['/probe/program'], probe, ...(user !== undefined && { user }) });
        assert.ok(found);
        assert.equal([...found.keys()].sort(), ATTEMPTS.map(({ name }) => name).sort(), 'probe and table agree');
        const also = user === undefined ? [] : ['EACCES', 'EPERM'];
        const escaped = ATTEMPTS.filter(
          ({ name, refusals }) => !isRefusal(runner, [...refusals, ...also], found.get(name)),
        );
        assert.equal(
          escaped.map(({ name, about }) => `${name} (${about}): ${found.get(name)}`),
          [],
          `${runner.name} as ${user ?? 'root'}`,
        );
      }
    }
  });

  test('the same attempts succeed where they are allowed', async (rig) => {
    const allowed = nativeRunner(rig, { name: 'insecure', overrides: { insecure: true } });
    const sandboxed = await outcomes(nativeRunner(rig), { args: ['/probe/program'], probe });
    const granted = await outcomes(allowed, { args: ['/probe/program', 'isolate'], probe });
    const compared = await outcomes(runcRunner(rig), { args: ['/probe/program'], probe });
    assert.ok(sandboxed && granted);
    const useless = ATTEMPTS.filter(({ name, isAlwaysRefused }) => {
      const outcome = granted.get(name) ?? 'none';
      return !isAlwaysRefused && outcome === sandboxed.get(name) && !ABSENT.has(outcome);
    });
    assert.equal(
      useless.map(({ name }) => `${name}: ${granted.get(name)}`),
      [],
      'refused whatever the rights are',
    );
    process.stdout.write(`\n\n  ${'attempt'.padEnd(18)} tsbuild      insecure     ${runcRunner(rig).name}`);
    for (const { name } of ATTEMPTS) {
      const cells = [sandboxed.get(name), granted.get(name), compared?.get(name) ?? '-'].map((cell) =>
        cell?.padEnd(13),
      );
      process.stdout.write(`\n  ${name.padEnd(18)} ${cells.join('')}`);
    }
    process.stdout.write('\n');
  });
});
