/** The network that a container gets, and the addresses that depend on it. */
import type { BridgeState, ContainerSpec } from './types.ts';

export interface ContainerNetwork {
  readonly kind: Exclude<ContainerSpec['network'], object>;
  /** Where the container reaches the host; undefined where it cannot. */
  readonly hostAddress: string | undefined;
}

export interface HostName {
  readonly name: string;
  /** `host-gateway` stands for the host's. */
  readonly address: string;
}

export const HOST_GATEWAY = 'host-gateway';

export const NO_NETWORK: ContainerNetwork = { kind: 'none', hostAddress: undefined };
export const HOST_NETWORK: ContainerNetwork = { kind: 'host', hostAddress: '127.0.0.1' };

/** The bridge or, after `warn` was told why, the host's network. */
export function isolatedOrHost(state: BridgeState, user: string, warn: (message: string) => void): ContainerNetwork {
  if (state.kind === 'available') return { kind: 'bridge', hostAddress: state.gateway };
  warn(`isolated network not available: ${state.reason}; ${user} uses the host's network`);
  return HOST_NETWORK;
}

/** `names` with the host's address for `host-gateway`, and without those where the host cannot be reached. */
export function reachableHosts(names: readonly HostName[], { hostAddress }: ContainerNetwork): readonly HostName[] {
  return names.flatMap(({ name, address }) => {
    const actual = address === HOST_GATEWAY ? hostAddress : address;
    return actual === undefined ? [] : [{ name, address: actual }];
  });
}
