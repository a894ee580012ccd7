/** Which network a command gets. */
import type { ContainerNetwork } from '../runtime-native/network.ts';
import { HOST_NETWORK, isolatedOrHost, NO_NETWORK } from '../runtime-native/network.ts';
import type { ContainerRuntime } from '../runtime-native/types.ts';
import type { ExecOp } from '../solver/op.ts';

/** Decides for one build: whether there is a bridge is found out once, and told once if there is none. */
export class StepNetworks {
  readonly #runtime: () => Promise<Pick<ContainerRuntime, 'network'>>;
  readonly #warn: (message: string) => void;
  #default: Promise<ContainerNetwork> | undefined;

  constructor(runtime: () => Promise<Pick<ContainerRuntime, 'network'>>, warn: (message: string) => void) {
    this.#runtime = runtime;
    this.#warn = warn;
  }

  async of(network: ExecOp['network']): Promise<ContainerNetwork> {
    switch (network) {
      case 'none':
        return NO_NETWORK;
      case 'host':
        return HOST_NETWORK;
      case 'default':
        this.#default ??= this.#findDefault();
        return this.#default;
    }
  }

  async #findDefault(): Promise<ContainerNetwork> {
    const runtime = await this.#runtime();
    return isolatedOrHost(await runtime.network(), 'RUN', this.#warn);
  }
}
