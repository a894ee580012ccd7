/** Another OCI runtime in the place of the native one: which program it is, and how to call it. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { BuildError } from '../core/errors.ts';

export interface ExternalRuntime {
  /** Absolute path of the program. */
  readonly path: string;
  /** What keeps it from making control groups: the container is in its own before it starts. */
  readonly flags: readonly string[];
}

/** The first word of `--version`, and the flags by which a runtime takes the groups that it is in. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  crun: ['--cgroup-manager=disabled'],
  runc: ['--rootless=true'],
  'tsbuild-runtime': ['--rootless=true'],
};

/** Finds `name`, an absolute path or a command of the search path. Throws `oci-runtime-unavailable`. */
export async function findExternalRuntime(name: string, searchPath: string | undefined): Promise<ExternalRuntime> {
  const path = await findProgram(name, searchPath);
  return { path, flags: KNOWN[await kindOf(name, path)] ?? [] };
}

async function findProgram(name: string, searchPath: string | undefined): Promise<string> {
  const isPath = name.includes('/');
  // A relative directory in the search path would take a program from wherever the build is called.
  const directories = (searchPath ?? '').split(delimiter).filter((directory) => isAbsolute(directory));
  const candidates = isPath ? [name] : directories.map((directory) => join(directory, name));
  let denied = false;
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      denied ||= await exists(candidate);
    }
  }
  const why = denied ? 'the file is not executable' : isPath ? 'there is no such file' : 'it is not in $PATH';
  throw unavailable(name, why);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function kindOf(name: string, path: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 30_000, maxBuffer: 64 * 1024 });
    return /^\S*/.exec(stdout)?.[0] ?? '';
  } catch (cause) {
    throw unavailable(name, '"--version" fails', cause);
  }
}

function unavailable(name: string, why: string, cause?: unknown): BuildError {
  return new BuildError('oci-runtime-unavailable', `Cannot use "${name}" of "--oci-runtime": ${why}`, {
    hint: 'install the package crun or runc, name an executable file, or leave the option out',
    ...(cause !== undefined && { cause }),
  });
}
