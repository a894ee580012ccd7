/** Rigs whose containers are made by another OCI runtime, of those that this machine has. */
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { findExternalRuntime } from '../../src/runtime-native/external.ts';
import { ContainerRig } from './container.ts';

export const EXTERNAL_NAMES = ['crun', 'runc'] as const;

/** Whether the runtime is installed; says so where it is not. */
export async function hasExternal(name: string): Promise<boolean> {
  try {
    await findExternalRuntime(name, process.env['PATH']);
    return true;
  } catch {
    process.stderr.write(`SKIPPED: ${name} is not installed\n`);
    return false;
  }
}

export async function externalRig(name: string): Promise<ContainerRig> {
  const external = await findExternalRuntime(name, process.env['PATH']);
  return new ContainerRig(createNativeRuntime({ binaryPath: findRuntimeBinary(), external }));
}
