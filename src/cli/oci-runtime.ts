/** Which OCI runtime makes the containers: `--oci-runtime`, then `$TSBUILD_OCI_RUNTIME`. */
import { resolve } from 'node:path';
import { BuildError } from '../core/errors.ts';
import type { EngineOptions } from '../engine/types.ts';
import type { Environment } from './types.ts';

export const OCI_RUNTIME_OPTION = {
  'oci-runtime': {
    kind: 'value',
    placeholder: 'crun|runc|PATH',
    describe: 'Make containers by another OCI runtime ($TSBUILD_OCI_RUNTIME)',
  },
} as const;

/** The part of the engine's options that says it; empty for the native runtime. Throws `unsupported` without root. */
export function ociRuntimeOf(
  flag: string | undefined,
  env: Environment,
  cwd: string,
): Pick<EngineOptions, 'ociRuntime'> {
  const name = flag ?? env['TSBUILD_OCI_RUNTIME'] ?? '';
  if (name === '') return {};
  if (env['TSBUILD_ROOTLESS_UID'] !== undefined) throw withoutRoot(name);
  return { ociRuntime: name.includes('/') ? resolve(cwd, name) : name };
}

function withoutRoot(name: string): BuildError {
  return new BuildError('unsupported', `Cannot use "${name}" of "--oci-runtime": other runtimes need root here`, {
    hint: 'run tsbuild as root, or leave the option out',
  });
}
