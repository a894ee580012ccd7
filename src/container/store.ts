/** The records of containers on disk. */
import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, errnoOf } from '../core/errors.ts';
import { storeError } from '../core/store-errors.ts';
import type { ContainerPaths } from './spec.ts';
import type { EtcFiles } from './etc-files.ts';
import type { ContainerRecord, ContainerState } from './types.ts';

const ID = /^[0-9a-f]{64}$/;
const REMOVED_PREFIX = '.removed-';

export class ContainerStore {
  readonly #dir: string;
  readonly #names: string;

  /** Both directories are made by the first `create`; in `names` each name is a link to the ID that has it. */
  constructor(dir: string, names: string) {
    this.#dir = dir;
    this.#names = names;
  }

  paths(id: string): ContainerPaths {
    const etc = join(this.#dir, id, 'etc');
    return {
      upper: join(this.#dir, id, 'fs'),
      work: join(this.#dir, id, 'work'),
      etcFiles: { hosts: join(etc, 'hosts'), resolvConf: join(etc, 'resolv.conf'), hostname: join(etc, 'hostname') },
    };
  }

  /** Writes the record and its state, then takes the name; false, and nothing is left, if another container has the name. */
  async create(record: ContainerRecord, state: ContainerState, etc: EtcFiles): Promise<boolean> {
    const dir = join(this.#dir, record.id);
    const paths = this.paths(record.id);
    try {
      for (const parent of [this.#dir, this.#names]) await mkdir(parent, { recursive: true, mode: 0o710 });
      await mkdir(dir, { mode: 0o710 });
      // 0755: the root of the container belongs to root and is everyone's to read.
      await Promise.all([
        mkdir(paths.upper, { mode: 0o755 }),
        mkdir(paths.work, { mode: 0o700 }),
        mkdir(join(dir, 'etc'), { mode: 0o755 }),
      ]);
      await Promise.all([
        writeFile(paths.etcFiles.hosts, etc.hosts),
        writeFile(paths.etcFiles.resolvConf, etc.resolvConf),
        writeFile(paths.etcFiles.hostname, etc.hostname),
        this.setState(record.id, state),
      ]);
      await writeWhole(join(dir, 'config.json'), record);
      if (await this.#takeName(record.name, record.id)) return true;
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      throw storeError(error, dir);
    }
    await rm(dir, { recursive: true, force: true });
    return false;
  }

  async setState(id: string, state: ContainerState): Promise<void> {
    try {
      await writeWhole(join(this.#dir, id, 'state.json'), state);
    } catch (error) {
      // Somebody removed the container by force: there is nothing left to keep a state of.
      if (errnoOf(error) !== 'ENOENT') throw storeError(error, this.#dir);
    }
  }

  /** The IDs of all records, whole or not. */
  async ids(): Promise<string[]> {
    return (await namesIn(this.#dir)).filter((name) => ID.test(name));
  }

  /** Undefined for a record that is gone, or was not written to its end. */
  async read(id: string): Promise<{ readonly record: ContainerRecord; readonly state: ContainerState } | undefined> {
    const [record, state] = await Promise.all([
      readWhole(join(this.#dir, id, 'config.json')),
      readWhole(join(this.#dir, id, 'state.json')),
    ]);
    if (record === undefined || state === undefined) return undefined;
    // Written by this class; a version that is not ours was written by a later tsbuild.
    if (!('version' in record) || record.version !== 1) {
      throw new BuildError('store-corrupt', `Cannot read the container "${id}": its record has an unknown version`);
    }
    return { record: record as unknown as ContainerRecord, state: state as unknown as ContainerState };
  }

  /** Removes the record, the name if it is this container's, and all that the container wrote. */
  async remove(id: string, name: string | undefined): Promise<void> {
    if (name !== undefined && (await this.#owner(name)) === id) await rm(join(this.#names, name), { force: true });
    const removed = join(this.#dir, `${REMOVED_PREFIX}${id}`);
    try {
      // From here on the record is not to be seen, however long its files take.
      await rename(join(this.#dir, id), removed);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw storeError(error, this.#dir);
    }
    await rm(removed, { recursive: true, force: true });
  }

  /** Whether the record's directory was last changed before `timeMs`; false if it is gone. */
  async isOlderThan(id: string, timeMs: number): Promise<boolean> {
    try {
      return (await stat(join(this.#dir, id))).mtimeMs < timeMs;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Finishes removals that a crash interrupted. */
  async sweep(): Promise<void> {
    for (const name of await namesIn(this.#dir)) {
      if (name.startsWith(REMOVED_PREFIX)) await rm(join(this.#dir, name), { recursive: true, force: true });
    }
  }

  async #takeName(name: string, id: string): Promise<boolean> {
    const link = join(this.#names, name);
    for (;;) {
      try {
        await symlink(id, link);
        return true;
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
      const owner = await this.#owner(name);
      if (owner !== undefined && (await this.read(owner)) !== undefined) return false;
      // Left by a container that is gone.
      if (owner !== undefined) await unlinkIfThere(link);
    }
  }

  async #owner(name: string): Promise<string | undefined> {
    try {
      return await readlink(join(this.#names, name));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function writeWhole(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.new`;
  await writeFile(temporary, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/** Undefined for what is missing or, after a power cut, empty or cut off. */
async function readWhole(path: string): Promise<object | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
