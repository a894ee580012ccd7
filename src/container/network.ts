/** The network of `run`: the bridge, unless the user wants another or the machine cannot have one. */
import { BuildError } from '../core/errors.ts';
import type { ProgressSink } from '../core/progress.ts';
import type { ContainerNetwork } from '../runtime-native/network.ts';
import { HOST_NETWORK, isolatedOrHost, NO_NETWORK } from '../runtime-native/network.ts';
import type { ContainerRuntime } from '../runtime-native/types.ts';

/** Throws `network-unavailable` for a bridge that was asked for by name, or by a port to publish. */
export async function chooseNetwork(
  runtime: Pick<ContainerRuntime, 'network'>,
  wanted: 'default' | 'none' | 'host' | 'bridge',
  isPublished: boolean,
  progress: ProgressSink,
): Promise<ContainerNetwork> {
  const warn = (message: string): void => progress({ kind: 'warning', message, timeMs: Date.now() });
  if (wanted === 'none' || wanted === 'host') {
    if (isPublished) warn(`no port is published with the network "${wanted}"`);
    return wanted === 'none' ? NO_NETWORK : HOST_NETWORK;
  }
  const state = await runtime.network();
  if ((wanted === 'bridge' || isPublished) && state.kind === 'unavailable') {
    throw new BuildError('network-unavailable', `Cannot make the bridge network: ${state.reason}`, {
      hint: 'use --network host to run without isolation',
    });
  }
  return isolatedOrHost(state, 'the container', warn);
}
