/** Volumes: directories in the store that containers share and that outlive them, `<root>/volumes/<name>/_data`. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, errnoOf } from '../core/errors.ts';
import { rootedPath } from '../core/paths.ts';
import { storeError } from '../core/store-errors.ts';
import type { FileTree } from '../core/tree.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';
import type { MountSpec } from '../runtime-native/types.ts';
import { newContainerId } from './identity.ts';
import { seedVolume } from './seed.ts';
import type { VolumeRequest } from './types.ts';

/** A volume for one container: with a name to keep, one of its own, or a directory of the host. */
export type PlannedVolume =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly readonly: boolean }
  | {
      readonly kind: 'volume';
      readonly name: string;
      readonly anonymous: boolean;
      readonly target: string;
      readonly readonly: boolean;
    };

/**
 * What is asked for, and an anonymous volume for each of the image's VOLUMEs that is not covered by it; outer targets first.
 * Throws `usage` for a target given twice.
 */
export function planVolumes(
  requests: readonly VolumeRequest[],
  imageVolumes: readonly string[],
  randomBytes: (length: number) => Uint8Array,
): PlannedVolume[] {
  const planned = new Map<string, PlannedVolume>();
  for (const { source, target, readonly } of requests) {
    if (planned.has(target)) throw new BuildError('usage', `Cannot mount "${target}" twice`);
    if (source?.startsWith('/') === true) planned.set(target, { kind: 'bind', source, target, readonly });
    else
      planned.set(target, {
        kind: 'volume',
        name: source ?? newContainerId(randomBytes),
        anonymous: source === undefined,
        target,
        readonly,
      });
  }
  for (const path of imageVolumes) {
    const target = rootedPath(path);
    // Nothing can be mounted on the root itself.
    if (target === '/' || planned.has(target)) continue;
    planned.set(target, {
      kind: 'volume',
      name: newContainerId(randomBytes),
      anonymous: true,
      target,
      readonly: false,
    });
  }
  const depth = (target: string): number => target.split('/').length;
  return [...planned.values()].sort((a, b) => depth(a.target) - depth(b.target));
}

export class Volumes {
  readonly #dir: string;
  readonly #files: Pick<NativeFiles, 'openWriter'>;

  constructor(dir: string, files: Pick<NativeFiles, 'openWriter'>) {
    this.#dir = dir;
    this.#files = files;
  }

  /** Makes what is missing, fills empty volumes from the image, and says what to mount. */
  async prepare(volumes: readonly PlannedVolume[], view: () => FileTree, signal: AbortSignal): Promise<MountSpec[]> {
    const mounts: MountSpec[] = [];
    let tree: FileTree | undefined;
    for (const volume of volumes) {
      const { target, readonly } = volume;
      let source: string;
      if (volume.kind === 'bind') {
        source = volume.source;
        await makeHostDirectory(source);
      } else {
        source = join(this.#dir, volume.name, '_data');
        await this.#makeVolume(volume.name, source, (dir) =>
          seedVolume(this.#files, (tree ??= view()), target, dir, signal),
        );
      }
      mounts.push({ kind: 'bind', source, target, readonly, recursive: true });
    }
    return mounts;
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#dir, name), { recursive: true, force: true });
  }

  /** A new volume is seen by others when it is filled. */
  async #makeVolume(name: string, data: string, seed: (dir: string) => Promise<void>): Promise<void> {
    const existing = await entriesOf(data);
    if (existing !== undefined) {
      if (existing.length === 0) await seed(data);
      return;
    }
    const temporary = join(this.#dir, `.new-${name}-${process.pid}`);
    try {
      await mkdir(join(temporary, '_data'), { recursive: true, mode: 0o755 });
      await seed(join(temporary, '_data'));
      await rename(temporary, join(this.#dir, name));
    } catch (error) {
      // Another container made it meanwhile, with the same content or its own.
      if (!['EEXIST', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw storeError(error, this.#dir);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
}

/** `-v` makes a directory of the host when there is nothing. */
async function makeHostDirectory(path: string): Promise<void> {
  try {
    await stat(path);
    return;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw cannotMount(path, error);
  }
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw cannotMount(path, error);
  }
}

function cannotMount(path: string, error: unknown): unknown {
  if (errnoOf(error) === undefined) return error;
  return new BuildError('path-conflict', `Cannot mount "${path}": ${(error as Error).message}`, { cause: error });
}

async function entriesOf(dir: string): Promise<string[] | undefined> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
