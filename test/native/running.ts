/** Containers that run while a test looks at them. */
import { readFileSync } from 'node:fs';
import { BuildError } from '../../src/core/errors.ts';
import type { ContainerResources, RunningContainer } from '../../src/runtime-native/types.ts';
import type { ContainerRig } from '../support/container.ts';

/** What `use` comes to with a container that has printed something and runs until then. */
export async function during<T>(
  rig: ContainerRig,
  script: string,
  resources: ContainerResources,
  use: (container: RunningContainer, id: string) => Promise<T>,
): Promise<T> {
  const spec = rig.spec(script, { resources });
  let used: Promise<T> | undefined;
  let container: RunningContainer | undefined;
  let hasPrinted = false;
  // Either may come first.
  const ready = (): void => {
    if (container === undefined || !hasPrinted) return;
    const running = container;
    used ??= use(running, spec.id).finally(() => running.kill('SIGKILL'));
  };
  await rig.run(spec, {
    onStarted: (running) => {
      container = running;
      ready();
    },
    onStdout: () => {
      hasPrinted = true;
      ready();
    },
  });
  if (used === undefined) throw new Error('the container printed nothing');
  return await used;
}

/** The code and the message of the error that `action` must fail with. */
export async function errorOf(action: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await action;
  } catch (error) {
    if (error instanceof BuildError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('an error was expected');
}

/** By /proc. */
export function parentOf(pid: number): number {
  return Number(/\nPPid:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** One letter, as in proc_pid_stat(5). */
export function stateOf(pid: string): string | undefined {
  return /^\d+ \(.*\) (\w)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}
