/** What tests of images that try to get out share: a place that must not change, and images on the base layer. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../../../src/core/errors.ts';
import type { ContainerSpec, MountSpec } from '../../../src/runtime-native/types.ts';
import type { ContainerRig } from '../../support/container.ts';

/** A directory of the host with a file, an empty file and an empty directory, such as a cleanup might remove. */
export class Canary {
  readonly path: string;
  private readonly before: readonly string[];

  constructor(rig: ContainerRig, files: Readonly<Record<string, string>> = {}) {
    this.path = rig.fresh('canary');
    writeFileSync(join(this.path, 'file'), 'canary\n', { mode: 0o600 });
    writeFileSync(join(this.path, 'empty'), '');
    mkdirSync(join(this.path, 'directory'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.path, name), text);
    this.before = picture(this.path);
  }

  /** What has changed since; empty when nothing has. */
  changes(): string[] {
    const now = picture(this.path);
    return [
      ...this.before.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
      ...now.filter((line) => !this.before.includes(line)).map((line) => `+ ${line}`),
    ];
  }
}

/** Each entry with its type, owner, times and content. */
export function picture(path: string, name = '.'): string[] {
  const status = lstatSync(path);
  const content = status.isFile() ? readFileSync(path, 'latin1') : status.isSymbolicLink() ? readlinkSync(path) : '';
  const line = `${name} ${status.mode.toString(8)} ${status.uid}:${status.gid} ${status.nlink} ${status.mtimeMs} ${content}`;
  if (!status.isDirectory()) return [line];
  return [line, ...readdirSync(path).flatMap((child) => picture(join(path, child), `${name}/${child}`))];
}

export function bind(source: string, target: string, readonly = false): MountSpec {
  return { kind: 'bind', source, target, readonly, recursive: false };
}

/** The base layer and one on top of it that `change` makes. */
export function imageWith(rig: ContainerRig, change: (layer: string) => void): ContainerSpec['rootfs'] {
  const layer = rig.fresh('layer');
  change(layer);
  const [upper, work] = [rig.fresh('upper'), rig.fresh('work')];
  return { kind: 'overlay', lower: [rig.base, layer], upper, work, volatile: true };
}

/** Output and exit code of a container, or the code of the error that kept it from starting. */
export async function outcome(rig: ContainerRig, spec: ContainerSpec): Promise<string> {
  try {
    const { exit, stdout, stderr } = await rig.run(spec);
    return exit.code === 0 ? stdout.trimEnd() : `exit ${exit.code}: ${stdout}${stderr}`;
  } catch (error) {
    if (error instanceof BuildError) return error.code;
    throw error;
  }
}
