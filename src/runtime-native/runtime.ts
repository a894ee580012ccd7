/** The container runtime on top of the native binary. */
import type { Snapshotter } from '../core/snapshotter.ts';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import type { ExternalRuntime } from './external.ts';
import { Helper } from './helper.ts';
import type { ContainerSetting } from './spec.ts';
import { DEFAULT_BRIDGE } from './spec.ts';
import type { BridgeConfig, BridgeState, ContainerExit, ContainerRuntime, ContainerSpec, RunOptions } from './types.ts';

export interface NativeRuntimeOptions {
  /** The file that `findRuntimeBinary` finds. */
  readonly binaryPath: string;
  /** Default: `tsbuild0`, with addresses that are free. */
  readonly bridge?: BridgeConfig;
  /** Another OCI runtime that makes the containers; the native binary still does everything around them. */
  readonly external?: ExternalRuntime;
  /** Default: `auto`. */
  readonly snapshotter?: Snapshotter;
}

export function createNativeRuntime({
  binaryPath,
  bridge,
  external,
  snapshotter,
}: NativeRuntimeOptions): ContainerRuntime {
  return new NativeRuntime(binaryPath, {
    bridge: bridge ?? DEFAULT_BRIDGE,
    ...(external !== undefined && { external }),
    ...(snapshotter !== undefined && { snapshotter }),
  });
}

class NativeRuntime implements ContainerRuntime {
  readonly #binaryPath: string;
  readonly #setting: ContainerSetting;
  #helper: Helper | undefined;
  #network: Promise<BridgeState> | undefined;

  constructor(binaryPath: string, setting: ContainerSetting) {
    this.#binaryPath = binaryPath;
    this.#setting = setting;
  }

  async run(spec: ContainerSpec, { stdio, ...options }: RunOptions): Promise<ContainerExit> {
    throwIfAborted(options.signal);
    if (this.#setting.external !== undefined && spec.init === true) throw noInit();
    if (stdio.kind === 'pipe') {
      return await this.#running().run(spec, { ...options, onStdout: stdio.onStdout, onStderr: stdio.onStderr });
    }
    const { runAttached } = await import('./attached.ts');
    return await runAttached(this.#binaryPath, spec, {
      ...options,
      setting: this.#setting,
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
    if (this.#helper?.isRunning !== true) this.#helper = new Helper(this.#binaryPath, this.#setting);
    return this.#helper;
  }
}

function noInit(): BuildError {
  return new BuildError(
    'unsupported',
    'Cannot use "--init" with "--oci-runtime": other runtimes start only the command',
  );
}
