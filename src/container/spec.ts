/** What the runtime is told, from the image's config and the request. */
import { BuildError } from '../core/errors.ts';
import { joinPath } from '../core/paths.ts';
import type { ContainerConfig } from '../oci/types.ts';
import type { ContainerSpec, MountSpec, PublishedPort } from '../runtime-native/types.ts';
import type { ContainerImage, ContainerRequest } from './types.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SHM_BYTES = 64 * 1024 * 1024;

export interface ContainerPaths {
  /** The writable layer and overlay's work directory. */
  readonly upper: string;
  readonly work: string;
  readonly etcFiles: { readonly hosts: string; readonly resolvConf: string; readonly hostname: string };
}

export function containerSpec(
  id: string,
  image: ContainerImage,
  request: ContainerRequest,
  hostname: string,
  mounts: readonly MountSpec[],
  paths: ContainerPaths,
  ports: readonly PublishedPort[] = [],
): ContainerSpec {
  const config = image.config.config ?? {};
  return {
    id,
    rootfs: {
      kind: 'overlay',
      lower: image.layers,
      upper: paths.upper,
      work: paths.work,
      // Without a sync at the end: the layer is thrown away anyway.
      volatile: request.remove,
    },
    readonlyRootfs: false,
    args: containerArgs(image.name, config, request),
    env: containerEnv(config, request, hostname),
    cwd: joinPath('/', request.workdir ?? config.WorkingDir ?? '/'),
    cwdOwner: 'root',
    user: request.user ?? config.User ?? '',
    hostname,
    network: typeof request.network === 'object' ? request.network.process : request.network,
    ports,
    networkRole: 'service',
    mounts,
    etcFiles: {
      ...paths.etcFiles,
      readonly: false,
      ...(request.network === 'bridge' && { ownName: hostname }),
    },
    shmSizeBytes: SHM_BYTES,
    rlimits: [],
    // It may run long, so what it uses is counted.
    resources: { accounting: true, ...request.resources },
    ...(request.oomScoreAdj !== undefined && { oomScoreAdj: request.oomScoreAdj }),
    noNewPrivileges: false,
    insecure: false,
    terminal: request.tty,
    init: request.init === true,
    removeStubs: false,
  };
}

/** Entrypoint and command by Docker's rules; throws `usage` when nothing is left to run. */
export function containerArgs(
  image: string,
  config: ContainerConfig,
  request: Pick<ContainerRequest, 'command' | 'entrypoint'>,
): readonly string[] {
  const { entrypoint, command } = request;
  const args =
    entrypoint === undefined
      ? [...(config.Entrypoint ?? []), ...(command.length > 0 ? command : (config.Cmd ?? []))]
      : [...(entrypoint === '' ? [] : [entrypoint]), ...command];
  if (args.length === 0)
    throw new BuildError('usage', `Cannot run "${image}": neither the image nor the command line names a command`);
  return args;
}

/**
 * The defaults, then what was asked for, then the image's variables that nothing replaced: the order that Docker gives them, which a
 * command that prints its environment shows.
 */
export function containerEnv(
  config: ContainerConfig,
  request: Pick<ContainerRequest, 'env' | 'tty'>,
  hostname: string,
): readonly string[] {
  const env = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['HOSTNAME', hostname],
  ]);
  if (request.tty) env.set('TERM', 'xterm');
  const asked = new Set(request.env.map(nameOf));
  for (const item of [...request.env, ...(config.Env ?? []).filter((variable) => !asked.has(nameOf(variable)))]) {
    if (item.includes('=')) env.set(nameOf(item), item.slice(item.indexOf('=') + 1));
    else env.delete(item);
  }
  return [...env].map(([name, value]) => `${name}=${value}`);
}

function nameOf(item: string): string {
  const equals = item.indexOf('=');
  return equals < 0 ? item : item.slice(0, equals);
}
