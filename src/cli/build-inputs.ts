/** The flags of `build` that say what steps can see and do beyond the context. */
import type { BuildRequest } from '../engine/types.ts';
import { BuildError } from '../core/errors.ts';
import { isSshRemote, parseRemoteContext } from '../core/remote-url.ts';
import { annotations } from './annotation-option.ts';
import { namedContexts } from './context-option.ts';
import { LIMIT_OPTIONS, limits, resourceFlags } from './resource-options.ts';
import { secretInputs } from './secret-option.ts';
import { sshAgents } from './ssh-option.ts';
import { entitlements, extraHosts, sizeBytes, ulimits } from './step-options.ts';
import type { CommandContext, OptionTable, ParsedArgs } from './types.ts';

export const INPUT_OPTIONS = {
  'build-context': {
    kind: 'list',
    placeholder: 'NAME=SOURCE',
    describe: 'Named context: a directory, docker-image://IMAGE or oci-layout://DIR[:TAG]',
  },
  secret: { kind: 'list', placeholder: 'id=ID,src=FILE', describe: 'Secret for RUN --mount=type=secret; or env=VAR' },
  ssh: {
    kind: 'list',
    placeholder: 'default|ID[=SOCKET|KEY,...]',
    describe: 'SSH agent, or keys for one, for RUN --mount=type=ssh and repositories',
  },
  'add-host': { kind: 'list', placeholder: 'NAME:IP', describe: 'Line of /etc/hosts in RUN steps; IP or host-gateway' },
  'shm-size': { kind: 'value', placeholder: 'SIZE', describe: 'Size of /dev/shm in RUN steps (default: 64m)' },
  ulimit: { kind: 'list', placeholder: 'NAME=SOFT[:HARD]', describe: 'Limit of RUN steps; -1 is unlimited' },
  resource: {
    kind: 'list',
    placeholder: 'NAME=VALUE',
    describe: 'Limit of RUN steps: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus, cpuset-mems',
  },
  ...LIMIT_OPTIONS,
  allow: {
    kind: 'list',
    placeholder: 'ENTITLEMENT',
    describe: 'Let RUN steps ask for network.host or security.insecure',
  },
  'no-cache-filter': { kind: 'list', placeholder: 'STAGE,...', describe: 'Run every step of these stages anew' },
  annotation: { kind: 'list', placeholder: 'KEY=VALUE', describe: "Annotation of the image's manifest" },
} as const satisfies OptionTable;

type Inputs = Pick<
  BuildRequest,
  | 'secrets'
  | 'sshAgents'
  | 'namedContexts'
  | 'extraHosts'
  | 'shmSizeBytes'
  | 'ulimits'
  | 'resources'
  | 'entitlements'
  | 'noCacheStages'
  | 'annotations'
>;

/** What was given of `INPUT_OPTIONS`. Throws `usage` and `unsupported`. */
export function buildInputs(
  args: Pick<ParsedArgs<typeof INPUT_OPTIONS>, 'value' | 'list'>,
  { env, deps: { cwd } }: CommandContext,
  { context, platform, noCache }: Pick<BuildRequest, 'context' | 'platform' | 'noCache'>,
): Inputs {
  const size = args.value('shm-size');
  const shmSizeBytes = size === undefined ? undefined : sizeBytes('--shm-size', size);
  const resources = limits({
    memory: args.value('memory'),
    'memory-swap': args.value('memory-swap'),
    'cpu-shares': args.value('cpu-shares'),
    'cpu-period': args.value('cpu-period'),
    'cpu-quota': args.value('cpu-quota'),
    'cpuset-cpus': args.value('cpuset-cpus'),
    'cpuset-mems': args.value('cpuset-mems'),
    'cgroup-parent': args.value('cgroup-parent'),
    ...resourceFlags(args.list('resource')),
  });
  const given = <K extends keyof Inputs>(
    flag: Exclude<keyof typeof INPUT_OPTIONS, 'shm-size' | keyof typeof LIMIT_OPTIONS>,
    name: K,
    read: (items: readonly string[]) => Inputs[K],
  ): Partial<Pick<Inputs, K>> => {
    const items = args.list(flag);
    return items.length === 0 ? {} : ({ [name]: read(items) } as Pick<Inputs, K>);
  };
  return {
    ...given('build-context', 'namedContexts', (items) => namedContexts(items, cwd)),
    ...given('secret', 'secrets', (items) => secretInputs(items, env, cwd)),
    ...given('ssh', 'sshAgents', (items) => sshAgents(items, env, cwd)),
    // As with Docker, a context that is fetched by SSH asks for the agent itself.
    ...(args.list('ssh').length === 0 && needsAgent(context) && { sshAgents: sshAgents(['default'], env, cwd) }),
    ...given('add-host', 'extraHosts', extraHosts),
    ...(shmSizeBytes !== undefined && { shmSizeBytes }),
    ...given('ulimit', 'ulimits', ulimits),
    ...(Object.keys(resources).length > 0 && { resources }),
    ...given('allow', 'entitlements', entitlements),
    ...given('no-cache-filter', 'noCacheStages', (items) => stageNames(items, noCache)),
    ...given('annotation', 'annotations', (items) => annotations(items, platform)),
  };
}

function needsAgent(context: BuildRequest['context']): boolean {
  if (context.kind !== 'remote') return false;
  const url = parseRemoteContext(context.url);
  return url?.kind === 'git' && isSshRemote(url.remote);
}

function stageNames(items: readonly string[], noCache: boolean): string[] {
  if (noCache) throw new BuildError('usage', 'Cannot use both "--no-cache" and "--no-cache-filter"');
  return items.flatMap((item) => item.split(',')).filter((name) => name !== '');
}
