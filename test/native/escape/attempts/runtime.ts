/** OCI bundles, and commands executed in their containers, that are made to lead `tsbuild runtime` out of the root. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findRuntimeBinary } from '../../../../src/runtime-native/binary.ts';
import type { ContainerRig } from '../../../support/container.ts';
import { until } from '../../until.ts';
import type { BundleConfig, CommandResult } from '../oci-bundle.ts';
import { bundleConfig, OciRuntime } from '../oci-bundle.ts';
import { Canary, picture } from '../support.ts';
import type { Group, RigAttempt } from './group.ts';
import { refused } from './group.ts';

const up = '../'.repeat(12);

function open(rig: ContainerRig): OciRuntime {
  return new OciRuntime(rig, [findRuntimeBinary(), 'oci']);
}

function config(rig: ContainerRig, args: readonly string[]): BundleConfig {
  return bundleConfig({ args, probe: rig.base, uid: 0, filter: true });
}

function run(runtime: OciRuntime, value: BundleConfig, change?: (root: string) => void): CommandResult {
  const bundle = runtime.bundle(value);
  change?.(join(bundle, 'rootfs'));
  return runtime.call('run', '--bundle', bundle, runtime.id());
}

/** What of the runtime's own file an attempt could change. */
function ownFile(): string {
  const { mtimeMs, size, mode, ino } = statSync(findRuntimeBinary());
  return [mtimeMs, size, mode, ino, readFileSync(findRuntimeBinary()).subarray(0, 4096).toString('hex')].join(' ');
}

/** Commands that are, or are interpreted by, whatever executes them. */
function selfExecuting(rig: ContainerRig): string {
  const scripts = rig.fresh('scripts');
  writeFileSync(join(scripts, 'interpreted'), '#!/proc/self/exe\n', { mode: 0o755 });
  writeFileSync(join(scripts, 'empty.c'), 'int main(void) { return 0; }\n');
  const flags = ['-o', join(scripts, 'loaded'), '-Wl,--dynamic-linker=/proc/self/exe', join(scripts, 'empty.c')];
  execFileSync('gcc', flags);
  return scripts;
}
const COMMANDS = ['/proc/self/exe', '/proc/1/exe', '/scripts/interpreted', '/scripts/loaded'];

function withScripts(value: BundleConfig, scripts: string): BundleConfig {
  const bind = { destination: '/scripts', type: 'bind', source: scripts, options: ['bind', 'ro'] };
  return { ...value, mounts: [...value.mounts, bind] };
}

async function hunts(rig: ContainerRig): Promise<void> {
  const [runtime, scripts, prey] = [open(rig), selfExecuting(rig), rig.fresh('prey')];
  const hunter = rig.compile(join(import.meta.dirname, '../hunt.c'));
  execFileSync('cp', [join(hunter, 'program'), join(scripts, 'hunt')]);
  const log = join(prey, 'log');
  const value = withScripts(config(rig, ['/scripts/hunt', '/prey/log']), scripts);
  value.mounts.push({ destination: '/prey', type: 'bind', source: prey, options: ['bind'] });
  const before = ownFile();
  const id = runtime.id();
  assert.is(runtime.detached('create', '--bundle', runtime.bundle(value), id).status, 0);
  try {
    assert.is(runtime.detached('start', id).status, 0);
    const seen = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : []);
    await until('the hunter is ready', () => seen().includes('ready'));
    for (const command of ['/bin/true', ...COMMANDS]) {
      const { status } = runtime.call('exec', id, command);
      if (command !== '/bin/true') assert.is.not(status, 0, command);
    }
    const of = (path: string): string => `${statSync(path).dev}:${statSync(path).ino}`;
    const loaded = of(join(scripts, 'loaded'));
    // It is a matter of luck when it looks.
    await until('the hunter has seen a runtime', () => {
      runtime.call('exec', id, '/bin/true');
      return seen().some((line) => line === 'denied' || (line.startsWith('opened') && !line.endsWith(loaded)));
    });
    assert.equal(
      seen().filter((line) => line.startsWith('written') || line.endsWith(of(findRuntimeBinary()))),
      [],
    );
  } finally {
    runtime.detached('delete', '--force', id);
  }
  assert.is(ownFile(), before);
}

async function executesItself(rig: ContainerRig): Promise<void> {
  const [runtime, scripts, before] = [open(rig), selfExecuting(rig), ownFile()];
  for (const command of COMMANDS) {
    const { status } = run(runtime, withScripts(config(rig, [command]), scripts));
    assert.is.not(status, 0, command);
    assert.is(ownFile(), before, command);
  }
}

const DIRECTORIES = [
  ...Array.from({ length: 12 }, (_, index) => `/proc/self/fd/${index + 3}`),
  '/proc/1/cwd',
  '/proc/self/root',
  '/proc/self/fd/7/../../..',
];

async function worksOutside(rig: ContainerRig): Promise<void> {
  const runtime = open(rig);
  const value = config(rig, ['/bin/sh', '-c', 'echo started; pwd; ls']);
  const inside = runtime.id();
  const sleeper = runtime.bundle(config(rig, ['/bin/sleep', '1000']));
  assert.is(runtime.detached('create', '--bundle', sleeper, inside).status, 0);
  try {
    assert.is(runtime.detached('start', inside).status, 0);
    for (const cwd of DIRECTORIES) {
      const changed = { ...value, process: { ...value.process, cwd } };
      for (const result of [
        run(runtime, changed),
        runtime.call('exec', '--process', runtime.process(changed), inside),
      ]) {
        assert.is.not(result.status, 0, cwd);
        assert.not.match(result.stdout, 'started');
      }
    }
  } finally {
    runtime.detached('delete', '--force', inside);
  }
}

async function mountsThroughLinks(rig: ContainerRig): Promise<void> {
  const runtime = open(rig);
  const canary = new Canary(rig);
  for (const name of ['proc', 'sys', 'dev']) {
    const result = run(runtime, config(rig, ['/bin/sh', '-c', 'echo started']), (root) => {
      renameSync(join(root, name), join(root, `${name}-moved`));
      symlinkSync(`${up}${canary.path}`, join(root, name));
    });
    assert.is.not(result.status, 0, name);
    assert.equal(canary.changes(), []);
  }
  for (const target of ['/proc', '/proc/sys', '/proc/self', '/proc/self/fd/7', '/tmp/../proc/1', '/..']) {
    const value = config(rig, ['/bin/sh', '-c', 'echo started']);
    value.mounts.push({ destination: target, type: 'bind', source: canary.path, options: ['bind'] });
    assert.is.not(run(runtime, value).status, 0, target);
    assert.equal(canary.changes(), []);
  }
}

async function masksWithLinks(rig: ContainerRig): Promise<void> {
  const runtime = open(rig);
  const canary = new Canary(rig);
  // Without a /dev of its own, the null device that masks would be the image's.
  const value = config(rig, ['/bin/sh', '-c', 'cat /proc/keys; echo x > /proc/keys; stat -c %F /proc/keys']);
  value.mounts = value.mounts.filter(({ destination }) => !String(destination).startsWith('/dev'));
  const result = run(runtime, value, (root) => {
    rmSync(join(root, 'dev'), { recursive: true });
    mkdirSync(join(root, 'dev'));
    symlinkSync(`${up}${canary.path}/file`, join(root, 'dev/null'));
  });
  if (result.status === 0) assert.match(result.stdout, /^character special file\n$/);
  assert.equal(canary.changes(), []);
}

/** A directory of the root becomes a link out while containers are started from it. */
async function exchangesDirectories(rig: ContainerRig): Promise<void> {
  const runtime = open(rig);
  const canary = new Canary(rig);
  const value = config(rig, ['/bin/sh', '-c', 'touch /made; echo started']);
  const bundle = runtime.bundle(value);
  const program = join(rig.compile(join(import.meta.dirname, '../exchange.c')), 'program');
  symlinkSync(`${up}${canary.path}`, join(bundle, 'rootfs/link'));
  const swapper = spawn(program, [join(bundle, 'rootfs/tmp'), join(bundle, 'rootfs/link')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(swapper.stdout, 'data');
    swapper.stdout.resume();
    const before = picture(canary.path);
    for (let round = 0; round < 6; round++) {
      const changed = { ...value, mounts: [...value.mounts] };
      changed.mounts.push({ destination: `/tmp/${round}/sub`, type: 'tmpfs', source: 'tmpfs', options: [] });
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(changed));
      runtime.call('run', '--bundle', bundle, runtime.id());
      assert.equal(picture(canary.path), before);
    }
  } finally {
    swapper.kill('SIGKILL');
  }
}

const BINARY = 'the runtime, which is not executed by name and runs from sealed memory (CVE-2019-5736)';
const TARGETS = 'mount targets, which are resolved inside the root (openat2)';

export const RUNTIME: readonly Group<RigAttempt>[] = [
  refused(BINARY, 'write to the runtime while it executes a command in a container', hunts),
  refused(BINARY, 'have the runtime executed as command, interpreter or loader (#!, PT_INTERP)', executesItself),
  refused(
    'the working directory, which must have a path inside the root',
    'work in a descriptor of the host, by run and exec (CVE-2024-21626)',
    worksOutside,
  ),
  refused(TARGETS, 'mount through links of the root, or over proc', mountsThroughLinks),
  refused(TARGETS, 'mount below a directory of the root that becomes a link out', exchangesDirectories),
  refused(
    'masks and terminals, which are bound by descriptors of the runtime and not by paths of the image',
    'mask with a null device of the image that is a link out (CVE-2025-31133)',
    masksWithLinks,
  ),
];
