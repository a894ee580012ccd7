/**
 * Containers that share a directory, as builds share a cache mount, while one of them exchanges directories for links all the time:
 * CVE-2021-30465, CVE-2024-45310, CVE-2025-52881. And what is cleaned up after a container that wants something else cleaned up:
 * CVE-2024-23652.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ContainerSpec, MountSpec } from '../../../../src/runtime-native/types.ts';
import type { ContainerRig } from '../../../support/container.ts';
import { upperOf } from '../../../support/container.ts';
import type { Group, RigAttempt } from './group.ts';
import { refused } from './group.ts';
import { bind, Canary, outcome } from '../support.ts';

const ROUNDS = 12;

/** A container that exchanges two entries of `shared` until its input says stop. */
async function whileSwapping(rig: ContainerRig, shared: string, body: () => Promise<void>): Promise<number> {
  const program = rig.compile(join(import.meta.dirname, '../exchange.c'));
  const abort = new AbortController();
  const spec = rig.spec('', {
    args: ['/tool/program', '/shared/a', '/shared/b'],
    mounts: [bind(program, '/tool', true), bind(shared, '/shared')],
  });
  let swaps = 0;
  await new Promise<void>((resolve, reject) => {
    rig
      .run(spec, {
        signal: abort.signal,
        onStdout: (text) => {
          swaps += text.length;
          resolve();
        },
      })
      .catch(reject);
  });
  try {
    await body();
  } finally {
    abort.abort();
  }
  return swaps;
}

const DESTINATIONS = [
  ['out of the root', (out: string) => `${'../'.repeat(12)}${out}`],
  ['to /proc', () => '/proc'],
  ['to the root', () => '/'],
] as const;

/** What the script leaves where the runtime had made `/stubs/<name>`. */
async function leave(rig: ContainerRig, name: string, file: boolean, script: string): Promise<[Canary, string]> {
  const canary = new Canary(rig);
  const source = rig.fresh('source');
  writeFileSync(join(source, 'file'), '');
  const spec: ContainerSpec = rig.spec(script.replaceAll('OUT', canary.path), {
    mounts: [bind(file ? join(source, 'file') : source, `/stubs/${name}`)],
  });
  await rig.run(spec);
  assert.equal(canary.changes(), []);
  return [canary, upperOf(spec)];
}

export const RACES: readonly Group<RigAttempt>[] = [
  ...DESTINATIONS.map(([name, to]) =>
    refused(
      'mount targets, which are resolved inside the root (openat2)',
      `a target below a directory that becomes a link ${name} while it is mounted`,
      async (rig) => {
        const canary = new Canary(rig);
        const shared = rig.fresh('shared');
        mkdirSync(join(shared, 'a'));
        symlinkSync(to(canary.path), join(shared, 'b'));
        const source = rig.fresh('source');
        writeFileSync(join(source, 'mine'), 'mine');
        const seen = new Set<string>();
        const swaps = await whileSwapping(rig, shared, async () => {
          for (let round = 0; round < ROUNDS; round++) {
            const mounts: MountSpec[] = [bind(shared, '/shared'), bind(source, '/shared/a/sys/directory')];
            const script = `awk '$5 == "/proc" || $5 ~ "^/proc/sys" { print $5, $6 }' /proc/self/mountinfo; cat /proc/keys; echo x >/proc/sys/kernel/core_pattern || echo readonly`;
            seen.add(await outcome(rig, rig.spec(`exec 2>/dev/null; ${script}`, { mounts })));
            assert.equal(canary.changes(), []);
          }
        });
        assert.ok(swaps > 0);
        const usual = '/proc rw,nosuid,nodev,noexec,relatime\n/proc/sys ro,nosuid,nodev,noexec,relatime\nreadonly';
        for (const result of seen) assert.ok([usual, 'path-conflict', 'run-start-failed'].includes(result), result);
      },
    ),
  ),
  refused(
    'the working directory, which must have a path inside the root',
    'a working directory in a directory that becomes a link while it is entered',
    async (rig) => {
      const canary = new Canary(rig);
      const shared = rig.fresh('shared');
      mkdirSync(join(shared, 'a'));
      symlinkSync(`${'../'.repeat(12)}${canary.path}`, join(shared, 'b'));
      await whileSwapping(rig, shared, async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const spec = rig.spec('pwd', { mounts: [bind(shared, '/shared')], cwd: `/shared/a/new-${round}/deeper` });
          const found = await outcome(rig, spec);
          assert.match(found, /^(\/.*new-\d+\/deeper|path-conflict|run-start-failed)$/);
          assert.equal(canary.changes(), []);
        }
      });
    },
  ),

  refused(
    'the cleanup, which removes only what it made (by inode)',
    'a stub whose parent became a link out is left, and so is what the link leads to',
    async (rig) => {
      for (const target of ['OUT', '../../../../../../../../../../OUT']) {
        for (const [name, file] of [
          ['empty', true],
          ['directory', false],
        ] as const) {
          const [, upper] = await leave(rig, name, file, `mv /stubs /moved && ln -s ${target} /stubs`);
          assert.ok(lstatSync(join(upper, 'stubs')).isSymbolicLink());
        }
      }
    },
  ),

  refused(
    'the cleanup, which removes only what it made (by inode)',
    'what replaces a stub is not removed in its place',
    async (rig) => {
      const [, upper] = await leave(rig, 'empty', true, 'mv /stubs /moved && mkdir /stubs && : >/stubs/empty');
      assert.equal(readdirSync(join(upper, 'stubs')), ['empty']);
      const [, other] = await leave(rig, 'directory', false, 'mv /stubs /moved && mkdir -p /stubs/directory');
      assert.equal(readdirSync(join(other, 'stubs')), ['directory']);
    },
  ),

  refused(
    'the cleanup, which removes only what it made (by inode)',
    'a stub that is written or filled through another name is kept',
    async (rig) => {
      // The mount hides the stub; a link of its inode cannot be made through the mount, as that is another file system.
      const [, upper] = await leave(
        rig,
        'empty',
        true,
        'ln /stubs/empty /copy; mv /stubs/empty /x; rm /stubs/empty; true',
      );
      assert.not.ok(existsSync(join(upper, 'copy')));
      assert.not.ok(existsSync(join(upper, 'stubs')));
    },
  ),

  refused(
    'the cleanup, which removes only what it made (by inode)',
    'a directory of the host that has the name of a stub stays when the root itself is moved',
    async (rig) => {
      const root = rig.fresh('root');
      execFileSync('cp', ['-a', `${rig.base}/.`, root]);
      const canary = new Canary(rig);
      const spec = rig.spec('echo done', {
        rootfs: { kind: 'directory', path: root },
        mounts: [bind(rig.fresh('source'), '/stubs/directory')],
      });
      assert.is(await outcome(rig, spec), 'done');
      assert.not.ok(existsSync(join(root, 'stubs')));
      assert.equal(canary.changes(), []);
    },
  ),
];
