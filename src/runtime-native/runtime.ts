/** The container runtime on top of the native binary. */
import { throwIfAborted } from '../core/errors.ts';
import { Helper } from './helper.ts';
import { DEFAULT_BRIDGE } from './spec.ts';
import type { BridgeConfig, BridgeState, ContainerExit, ContainerRuntime, ContainerSpec, RunOptions } from './types.ts';

export interface NativeRuntimeOptions {
  /** The file that `findRuntimeBinary` finds. */
  readonly binaryPath: string;
  /** Default: `tsbuild0`, with addresses that are free. */
  readonly bridge?: BridgeConfig;
}

export function createNativeRuntime({ binaryPath, bridge }: NativeRuntimeOptions): ContainerRuntime {
  return new NativeRuntime(binaryPath, bridge ?? DEFAULT_BRIDGE);
}

class NativeRuntime implements ContainerRuntime {
  readonly #binaryPath: string;
  readonly #bridge: BridgeConfig;
  #helper: Helper | undefined;
  #network: Promise<BridgeState> | undefined;

  constructor(binaryPath: string, bridge: BridgeConfig) {
    this.#binaryPath = binaryPath;
    this.#bridge = bridge;
  }

  async run(spec: ContainerSpec, { stdio, ...options }: RunOptions): Promise<ContainerExit> {
    throwIfAborted(options.signal);
    if (stdio.kind === 'pipe') {
      return await this.#running().run(spec, { ...options, onStdout: stdio.onStdout, onStderr: stdio.onStderr });
    }
    const { runAttached } = await import('./attached.ts');
    return await runAttached(this.#binaryPath, spec, {
      ...options,
      bridge: this.#bridge,
      openStdin: stdio.openStdin,
    });
  }

  async network(): Promise<BridgeState> {
    this.#network ??= this.#running().network();
    return await this.#network;
  }

  async close(): Promise<void> {
    await this.#helper?.close();
  }

  /** One that was killed is replaced: its containers are lost, but not those to come. */
  #running(): Helper {
    if (this.#helper?.isRunning !== true) this.#helper = new Helper(this.#binaryPath, this.#bridge);
    return this.#helper;
  }
}
