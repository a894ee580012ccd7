/** The native binary as an OCI runtime, in the place of this process as far as Node allows. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { BuildError } from '../core/errors.ts';
import { findRuntimeBinary } from './binary.ts';

/** What a shell would send to the runtime if it had been called itself. */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Runs `tsbuild-runtime oci` with the caller's stdio and passes signals on; resolves with its exit status. */
export async function runOci(args: readonly string[]): Promise<number> {
  const child = spawn(findRuntimeBinary(), ['oci', ...args], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (cause) =>
        reject(new BuildError('runtime-unavailable', 'Cannot run the native runtime', { cause })),
      );
      child.on('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}
