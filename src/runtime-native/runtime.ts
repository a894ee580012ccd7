/** The container runtime on top of the native binary. */
import { throwIfAborted } from '../core/errors.ts';
import { Helper } from './helper.ts';
import type { ContainerExit, ContainerRuntime, ContainerSpec, RunOptions } from './types.ts';

/** A runtime that runs `binaryPath`, the file that `findRuntimeBinary` finds. */
export function createNativeRuntime({ binaryPath }: { readonly binaryPath: string }): ContainerRuntime {
  return new NativeRuntime(binaryPath);
}

class NativeRuntime implements ContainerRuntime {
  readonly #binaryPath: string;
  #helper: Helper | undefined;

  constructor(binaryPath: string) {
    this.#binaryPath = binaryPath;
  }

  async run(spec: ContainerSpec, { stdio, ...options }: RunOptions): Promise<ContainerExit> {
    throwIfAborted(options.signal);
    if (stdio.kind === 'pipe') {
      return await this.#running().run(spec, { ...options, onStdout: stdio.onStdout, onStderr: stdio.onStderr });
    }
    const { runAttached } = await import('./attached.ts');
    return await runAttached(this.#binaryPath, spec, { ...options, openStdin: stdio.openStdin });
  }

  async close(): Promise<void> {
    await this.#helper?.close();
  }

  /** One that was killed is replaced: its containers are lost, but not those to come. */
  #running(): Helper {
    if (this.#helper?.isRunning !== true) this.#helper = new Helper(this.#binaryPath);
    return this.#helper;
  }
}
