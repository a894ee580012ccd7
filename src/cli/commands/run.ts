/** `tsbuild run`: a new container on the caller's stdio. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BuildError, ExitStatus, errnoOf } from '../../core/errors.ts';
import type { RunRequest } from '../../engine/types.ts';
import { parsePublish } from '../publish-option.ts';
import { extraHosts } from '../step-options.ts';
import { readEnvFile } from '../env-file.ts';
import { OCI_RUNTIME_OPTION, ociRuntimeOf } from '../oci-runtime.ts';
import { withProgress } from '../progress/with-progress.ts';
import { limits, oomScore, RUN_LIMIT_OPTIONS } from '../resource-options.ts';
import type { CliDeps, CommandContext, ParsedArgs } from '../types.ts';
import { defineCommand } from '../types.ts';
import { UNSUPPORTED_RUN_FLAGS } from '../unsupported-flags.ts';
import { parseVolume } from '../volume-option.ts';

const NETWORKS = ['default', 'bridge', 'none', 'host'] as const;
const PULL = ['missing', 'always', 'never'] as const;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** What stays as it is: the command cannot be executed, was not found, or a signal ended the run. */
function isOwnStatus(status: number): boolean {
  return status === ExitStatus.notExecutable || status === ExitStatus.notFound || status > 128;
}

export const run = defineCommand({
  name: 'run',
  operands: 'IMAGE [COMMAND [ARG...]]',
  summary: 'Run a command in a new container',
  options: {
    rm: { kind: 'flag', describe: 'Remove the container and its anonymous volumes when it ends' },
    interactive: { kind: 'flag', short: 'i', describe: 'Keep stdin open' },
    tty: { kind: 'flag', short: 't', describe: 'Give the container a terminal' },
    env: {
      kind: 'list',
      short: 'e',
      placeholder: 'KEY[=VALUE]',
      describe: 'Environment variable; without VALUE, from the environment',
    },
    'env-file': { kind: 'list', placeholder: 'FILE', describe: 'File of environment variables' },
    workdir: { kind: 'value', short: 'w', placeholder: 'DIR', describe: 'Working directory in the container' },
    user: { kind: 'value', short: 'u', placeholder: 'USER[:GROUP]', describe: 'User, by name or number' },
    volume: {
      kind: 'list',
      short: 'v',
      placeholder: '[SOURCE:]TARGET[:ro]',
      describe: 'Mount a directory or a volume',
    },
    entrypoint: { kind: 'value', placeholder: 'COMMAND', describe: "Replaces the image's ENTRYPOINT; '' removes it" },
    init: { kind: 'flag', describe: 'Start the command by an init that reaps orphans and forwards signals' },
    network: {
      kind: 'value',
      placeholder: 'MODE',
      describe: 'bridge, none, host or container:NAME (default: bridge)',
    },
    publish: {
      kind: 'list',
      short: 'p',
      placeholder: '[[IP:]PORT:]PORT[/udp]',
      describe: 'Let a port of the host lead to one of the container',
    },
    'publish-all': { kind: 'flag', short: 'P', describe: 'Publish all ports that the image exposes, at free ones' },
    net: { kind: 'value', placeholder: 'MODE', describe: 'Same as --network' },
    'add-host': { kind: 'list', placeholder: 'NAME:IP', describe: 'Line of /etc/hosts; IP or host-gateway' },
    hostname: { kind: 'value', short: 'h', placeholder: 'NAME', describe: 'Host name in the container' },
    name: { kind: 'value', placeholder: 'NAME', describe: 'Name of the container' },
    pull: { kind: 'value', placeholder: 'WHEN', describe: 'Download the image (default: missing)', choices: PULL },
    ...RUN_LIMIT_OPTIONS,
    ...OCI_RUNTIME_OPTION,
    quiet: { kind: 'flag', short: 'q', describe: 'Show no progress of the download' },
  },
  unsupported: UNSUPPORTED_RUN_FLAGS,
  arity: { min: 1, max: Infinity },
  stopAtOperand: true,
  exitStatus: (status) => (isOwnStatus(status) ? status : ExitStatus.engine),
  async run(args, context) {
    const { deps } = context;
    const [image = '', ...command] = args.operands;
    const [entrypoint, workdir, user] = [args.value('entrypoint'), args.value('workdir'), args.value('user')];
    const [hostname, name] = [args.value('hostname'), args.value('name')];
    const resources = runLimits(args);
    const score = args.value('oom-score-adj');
    const [interactive, tty] = [args.flag('interactive'), args.flag('tty')];
    if (name !== undefined && !NAME.test(name)) {
      throw new BuildError(
        'usage',
        `Cannot name the container "${name}": want letters, digits, "_", "." and "-", starting with a letter or digit`,
      );
    }
    if (workdir !== undefined && !workdir.startsWith('/'))
      throw new BuildError('usage', `Cannot use "${workdir}" for "--workdir": want an absolute path`);
    if (tty && interactive && !deps.stdin().isTTY)
      throw new BuildError('usage', 'Cannot use "--tty": the input is not a terminal');
    const wanted = network(args.value('network') ?? args.value('net'));
    const [ports, publishAll] = [args.list('publish').flatMap(parsePublish), args.flag('publish-all')];
    if (typeof wanted === 'object') {
      refuseForShared('hostname', hostname !== undefined);
      refuseForShared('add-host', args.list('add-host').length > 0);
      refuseForShared('publish', ports.length > 0 || publishAll);
    }
    const request: RunRequest = {
      image,
      command,
      env: await environment(args.list('env-file'), args.list('env'), context),
      volumes: args.list('volume').map((text) => parseVolume(text, deps.cwd)),
      network: wanted,
      ...(ports.length > 0 && { ports }),
      ...(publishAll && { publishAll }),
      ...(Object.keys(resources).length > 0 && { resources }),
      ...(score !== undefined && { oomScoreAdj: oomScore(score) }),
      extraHosts: extraHosts(args.list('add-host')),
      init: args.flag('init'),
      remove: args.flag('rm'),
      interactive,
      tty,
      pull: PULL.find((when) => when === args.value('pull')) ?? 'missing',
      ...(entrypoint !== undefined && { entrypoint }),
      ...(workdir !== undefined && { workdir }),
      ...(user !== undefined && { user }),
      ...(hostname !== undefined && { hostname }),
      ...(name !== undefined && { name }),
    };
    const mode = args.flag('quiet') ? 'quiet' : 'auto';
    const { exitCode } = await context.withEngine(
      (engine) => withProgress(mode, context, (options) => engine.run(request, options), { shared: true }),
      ociRuntimeOf(args.value('oci-runtime'), context.env, deps.cwd),
    );
    return exitCode;
  },
});

function network(mode = 'default'): RunRequest['network'] {
  const known = NETWORKS.find((name) => name === mode);
  if (known !== undefined) return known;
  const container = /^container:(.+)$/s.exec(mode)?.[1];
  if (container !== undefined) return { container };
  throw new BuildError(
    'unsupported',
    `Cannot use network "${mode}": want one of "${NETWORKS.join('", "')}", or "container:NAME"`,
  );
}

/** These belong to the container whose network it is. */
function refuseForShared(flag: string, isGiven: boolean): void {
  if (isGiven) throw new BuildError('usage', `Cannot use "--${flag}" with the network of another container`);
}

function runLimits(
  args: Pick<ParsedArgs<typeof RUN_LIMIT_OPTIONS>, 'value' | 'flag'>,
): NonNullable<RunRequest['resources']> {
  const disable = args.flag('oom-kill-disable');
  return {
    ...limits({
      memory: args.value('memory'),
      'memory-swap': args.value('memory-swap'),
      'memory-reservation': args.value('memory-reservation'),
      'memory-swappiness': args.value('memory-swappiness'),
      cpus: args.value('cpus'),
      'cpu-shares': args.value('cpu-shares'),
      'cpu-period': args.value('cpu-period'),
      'cpu-quota': args.value('cpu-quota'),
      'cpuset-cpus': args.value('cpuset-cpus'),
      'cpuset-mems': args.value('cpuset-mems'),
      'pids-limit': args.value('pids-limit'),
      'cgroup-parent': args.value('cgroup-parent'),
    }),
    ...(disable && { oomKillDisable: true }),
  };
}

/** Files first, then `-e`. A variable without a value takes the client's; `-e` takes it from the image when the client has none. */
async function environment(
  files: readonly string[],
  items: readonly string[],
  { deps, env }: CommandContext,
): Promise<string[]> {
  const out: string[] = [];
  for (const file of files) out.push(...readEnvFile(file, await readText(file, deps), env));
  for (const item of items) {
    const equals = item.indexOf('=');
    if (equals === 0 || item === '') throw new BuildError('usage', `Cannot use "${item}" for "--env": want KEY=VALUE`);
    out.push(equals > 0 || env[item] === undefined ? item : `${item}=${env[item]}`);
  }
  return out;
}

async function readText(file: string, deps: CliDeps): Promise<Buffer> {
  try {
    return await readFile(resolve(deps.cwd, file));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new BuildError('usage', `Cannot read the environment file "${file}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}
