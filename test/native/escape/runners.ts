/**
 * Where attempts are made. A runner takes a command and gives back what it printed; `KINDS` is the one place that knows which kinds of
 * container there are, so that the same table is judged in all of them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { findRuntimeBinary } from '../../../src/runtime-native/binary.ts';
import type { ContainerSpec } from '../../../src/runtime-native/types.ts';
import type { ContainerRig } from '../../support/container.ts';
import { BIN, busyboxTar, Lab } from '../../support/e2e.ts';
import { EXTERNAL_NAMES, externalRig, hasExternal } from '../../support/external-runtimes.ts';
import { NetLab } from '../../support/net-lab.ts';
import type { Ids } from '../../support/ordinary-user.ts';
import { OrdinaryUser, whyNoOrdinaryUser } from '../../support/ordinary-user.ts';
import type { CommandResult } from './oci-bundle.ts';
import { bundleConfig, OciRuntime, uidOf } from './oci-bundle.ts';

/** What an attempt is made with. */
export interface Job {
  readonly args: readonly string[];
  /** A directory of the host that is at /probe, read-only. */
  readonly probe: string;
  /** A number; root if absent. */
  readonly user?: string;
}

export interface EscapeRunner extends AsyncDisposable {
  run(job: Job): Promise<string>;
}

export interface Kind {
  readonly name: string;
  /** The users as whom attempts can be made; undefined is root. */
  readonly users: readonly (string | undefined)[];
  /** Refusals that are as good as those of the table in this kind of container, by attempt. */
  readonly otherRefusals: Readonly<Record<string, readonly string[]>>;
  /** Why there is none on this machine. */
  readonly unavailable?: string | undefined;
  open(rig: ContainerRig): Promise<EscapeRunner>;
}

const EVERYONE = [undefined, '1000'];

/** A container of the native runtime; `overrides` make another kind of the default one. */
export function nativeRunner(rig: ContainerRig, overrides: Partial<ContainerSpec> = {}): EscapeRunner {
  return {
    run: ({ args, probe, user }) =>
      rig.output('', {
        args,
        mounts: [{ kind: 'bind', source: probe, target: '/probe', readonly: true, recursive: false }],
        ...(user !== undefined && { user }),
        ...overrides,
      }),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The output of a command, which must have ended well. */
function successful(name: string, { status, stdout, stderr }: CommandResult): string {
  if (status !== 0) throw new Error(`${name} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout.trimEnd();
}

export function ociRunner(rig: ContainerRig, command: readonly string[], filter: boolean): EscapeRunner {
  const runtime = new OciRuntime(rig, command);
  return {
    async run(job) {
      const bundle = runtime.bundle(bundleConfig({ ...job, uid: uidOf(job), filter }));
      return successful(command.join(' '), runtime.call('run', '--bundle', bundle, runtime.id()));
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What is executed in a container that runs already. */
function ociExecRunner(rig: ContainerRig): EscapeRunner {
  const runtime = new OciRuntime(rig, [findRuntimeBinary(), 'oci']);
  return {
    async run(job) {
      const config = { ...job, uid: uidOf(job), filter: true };
      const id = runtime.id();
      const bundle = runtime.bundle(bundleConfig({ ...config, uid: 0, args: ['/bin/sleep', '1000'] }));
      successful('create', runtime.detached('create', '--bundle', bundle, id));
      try {
        successful('start', runtime.detached('start', id));
        return successful('exec', runtime.call('exec', '--process', runtime.process(bundleConfig(config)), id));
      } finally {
        runtime.detached('delete', '--force', id);
      }
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function runArguments({ args, probe, user }: Job, network: string): string[] {
  const flags = ['--rm', '--network', network, '-v', `${probe}:/probe:ro`, ...(user === undefined ? [] : ['-u', user])];
  return ['run', ...flags, '--entrypoint', '', 'busybox', ...args];
}

interface Bridge {
  readonly net: NetLab;
  readonly lab: Lab;
  /** The network of the machine, which must be the same after each attempt. */
  readonly before: string;
}

let bridge: Promise<Bridge> | undefined;

/** A machine of network namespaces, and a store, for all kinds of container on the bridge. */
async function openBridge(): Promise<Bridge> {
  const net = await NetLab.open();
  const lab = await Lab.open({ bin: net.inHost(BIN, 'tsbuild') });
  return { net, lab, before: net.snapshot() };
}

/** Removes what the kinds share. */
export async function closeKinds(): Promise<void> {
  const { net, lab } = (await bridge) ?? {};
  await lab?.[Symbol.asyncDispose]();
  net?.[Symbol.dispose]();
}

async function onBridge(run: (lab: Lab, job: Job) => Promise<string>): Promise<EscapeRunner> {
  const { net, lab, before } = await (bridge ??= openBridge());
  return {
    async run(job) {
      const output = await run(lab, job);
      const after = net.snapshot();
      if (after !== before) throw new Error(`the network of the machine has changed\n${before}\n${after}`);
      return output;
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

const ofRun = async (lab: Lab, job: Job): Promise<string> =>
  (await lab.ok(runArguments(job, 'bridge'))).stdout.trimEnd();

async function ofBuild(lab: Lab, { args, probe, user }: Job): Promise<string> {
  const context = await lab.context('attempts', {
    Dockerfile: `FROM busybox\n${user === undefined ? '' : `USER ${user}\n`}RUN --mount=from=probe,target=/probe ${JSON.stringify(args)}\n`,
  });
  const flags = ['--progress', 'plain', '--no-cache', '--build-context', `probe=${probe}`];
  const { stderr } = await lab.ok(['build', ...flags, context]);
  return [...stderr.matchAll(/^#\d+ [\d.]+ (\S+\t.*)$/gm)].map(([, line]) => line).join('\n');
}

/** As a user other than root; the user reads the probe in a directory of its own. */
async function withoutRoot(ids: Ids): Promise<EscapeRunner> {
  const user = await OrdinaryUser.open(ids);
  await user.ok(['import', '-c', 'CMD ["sh"]', '-', 'busybox'], { input: busyboxTar() });
  return {
    async run(job) {
      const probe = join(user.home, 'probe');
      execFileSync('cp', ['-r', '--no-target-directory', job.probe, probe]);
      chmodSync(probe, 0o755);
      return (await user.ok(runArguments({ ...job, probe }, 'none'))).stdout.trimEnd();
    },
    [Symbol.asyncDispose]: () => user[Symbol.asyncDispose](),
  };
}

/** The default container as another OCI runtime makes it. */
async function externalRunner(name: string): Promise<EscapeRunner> {
  const rig = await externalRig(name);
  return {
    run: (job) => nativeRunner(rig).run(job),
    async [Symbol.asyncDispose]() {
      await rig.runtime.close();
      rig.remove();
    },
  };
}

const external: readonly Kind[] = await Promise.all(
  EXTERNAL_NAMES.map(async (name) => ({
    name: `a container by ${name}`,
    users: EVERYONE,
    // runc answers so for calls that are newer than the last one of the filter.
    otherRefusals: { 'open-tree-attr': ['ENOSYS'], 'lsm-attribute': ['ENOSYS'], 'unknown-call': ['ENOSYS'] },
    unavailable: (await hasExternal(name)) ? undefined : `${name} is not installed`,
    open: () => externalRunner(name),
  })),
);

export function whyNoRunc(): string | undefined {
  return spawnSync('runc', ['--version']).error === undefined ? undefined : 'runc is not installed';
}

const noRange = whyNoOrdinaryUser();
/** Their owner, the root of the machine, is nobody there. */
const HOST_FILES = { 'proc-kmsg': ['EACCES'] };

/** In none of these may an attempt succeed: a new kind is judged by being listed here. */
export const KINDS: readonly Kind[] = [
  { name: 'a container', users: EVERYONE, otherRefusals: {}, open: async (rig) => nativeRunner(rig) },
  {
    name: 'a container without new privileges',
    users: EVERYONE,
    otherRefusals: {},
    open: async (rig) => nativeRunner(rig, { noNewPrivileges: true }),
  },
  {
    name: 'a container with an init',
    users: EVERYONE,
    // They begin at the first process, which is not one's own here.
    otherRefusals: { 'setns-mount': ['EACCES'], 'setns-net': ['EACCES'], 'outer-root': ['EACCES'] },
    open: async (rig) => nativeRunner(rig, { init: true }),
  },
  ...external,
  { name: 'tsbuild run on the bridge', users: EVERYONE, otherRefusals: {}, open: () => onBridge(ofRun) },
  { name: 'RUN on the bridge', users: EVERYONE, otherRefusals: {}, open: () => onBridge(ofBuild) },
  {
    name: 'tsbuild runtime run',
    users: EVERYONE,
    otherRefusals: {},
    open: async (rig) => ociRunner(rig, [findRuntimeBinary(), 'oci'], true),
  },
  { name: 'tsbuild runtime exec', users: EVERYONE, otherRefusals: {}, open: async (rig) => ociExecRunner(rig) },
  {
    name: 'tsbuild run without root, with a range of ids',
    users: EVERYONE,
    otherRefusals: HOST_FILES,
    unavailable: noRange,
    open: () => withoutRoot('a range'),
  },
  {
    name: 'tsbuild run without root, with one id',
    users: [undefined],
    // There is no other user to become.
    otherRefusals: { ...HOST_FILES, 'cap-file': ['EIO'], 'cap-after-setuid': ['EINVAL'] },
    unavailable: noRange,
    open: () => withoutRoot('one'),
  },
];
