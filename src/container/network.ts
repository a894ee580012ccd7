/** The network of `run`: the bridge, unless the user wants another or the machine cannot have one. */
import { BuildError } from '../core/errors.ts';
import type { ProgressSink } from '../core/progress.ts';
import type { ContainerNetwork } from '../runtime-native/network.ts';
import { HOST_NETWORK, isolatedOrHost, NO_NETWORK } from '../runtime-native/network.ts';
import type { ContainerRuntime } from '../runtime-native/types.ts';
import type { ContainerRequest } from './types.ts';

/** Throws `network-unavailable` for a bridge that was asked for by name. */
export async function chooseNetwork(
  runtime: Pick<ContainerRuntime, 'network'>,
  wanted: 'default' | ContainerRequest['network'],
  progress: ProgressSink,
): Promise<ContainerNetwork> {
  if (wanted === 'none') return NO_NETWORK;
  if (wanted === 'host') return HOST_NETWORK;
  const state = await runtime.network();
  if (wanted === 'bridge' && state.kind === 'unavailable') {
    throw new BuildError('network-unavailable', `Cannot make the bridge network: ${state.reason}`, {
      hint: 'use --network host to run without isolation',
    });
  }
  const warn = (message: string): void => progress({ kind: 'warning', message, timeMs: Date.now() });
  return isolatedOrHost(state, 'the container', warn);
}
