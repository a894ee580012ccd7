/**
 * The snapshot store on disk.
 *
 *     <root>/snapshots/active/<id>.<owner>/{fs,work}     being written; see core/owner.ts
 *     <root>/snapshots/committed/<id>/{fs,meta.json}     immutable; layer.json once the layer's digest is known
 *     <root>/snapshots/unpacked/<hex of the key>         the id of the snapshot that was unpacked from that layer
 *
 * Durability: nothing is synced, because writing a layer out takes longer than most steps that make one. A process that dies costs
 * nothing: the rename that commits is atomic and the page cache outlives it. After a power cut a layer may be there in part, so the
 * metadata names the boot in which the layer was last known to be whole together with a fingerprint of its tree; the first use after
 * another boot compares the two and drops the layer if they differ. Journalling file systems record a file's size only with its data,
 * so what was lost shows in the fingerprint.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Digest, DiffID } from '../core/digest.ts';
import { asDiffID, hexOf, isDigest } from '../core/digest.ts';
import { errnoOf } from '../core/errors.ts';
import { compareBytes } from '../core/paths.ts';
import type { WantedEntry } from '../core/tree-entry.ts';
import { storeError } from '../core/store-errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import type { ActiveSnapshot, LayerDigest, LayerScan, Snapshot, SnapshotId, SnapshotStore } from './types.ts';

export interface SnapshotStoreOptions {
  /** The store's directory; made when missing. */
  readonly root: string;
  readonly scanLayer: (dir: string) => Promise<LayerScan>;
  /** Removes a tree, whatever the modes of its directories; default: `fs.rm`. */
  readonly removeTree?: (path: string) => Promise<void>;
  readonly now?: () => number;
  /** A new id, `[a-z0-9]+`. */
  readonly newId?: () => string;
}

interface Meta {
  readonly version: 1;
  readonly createdAtMs: number;
  /** The boot during which the tree was known to match `fingerprint`. */
  readonly bootId: string;
  readonly fingerprint: string;
  readonly opaqueDirs: readonly string[];
  /** Absent where there are none, and in what earlier versions wrote. */
  readonly xattrs?: readonly (readonly [path: string, digest: Digest])[];
  readonly wanted?: readonly (readonly [path: string, wanted: WantedEntry])[];
}

const ID = /^[a-z0-9]+$/;

/** Opens the store at `root`; several processes may use it at once. Rejections: `store-full`, `store-unwritable`. */
export function createSnapshotStore(options: SnapshotStoreOptions): SnapshotStore {
  return new DirectorySnapshotStore(options);
}

class DirectorySnapshotStore implements SnapshotStore {
  private readonly base: string;
  private readonly options: Required<SnapshotStoreOptions>;
  private readonly owner = currentOwner();
  private opened: Promise<void> | undefined;

  constructor(options: SnapshotStoreOptions) {
    this.base = resolve(options.root, 'snapshots');
    this.options = {
      removeTree: (path) => rm(path, { recursive: true, force: true }),
      now: () => Date.now(),
      newId: () => randomBytes(10).toString('hex'),
      ...options,
    };
  }

  async prepare(): Promise<ActiveSnapshot> {
    return this.guard(this.base, async () => {
      await this.open();
      const id = this.options.newId();
      const dir = this.activePath(id);
      mkdirSync(dir, { mode: 0o700 });
      const upper = join(dir, 'fs');
      const work = join(dir, 'work');
      mkdirSync(upper);
      // The upper directory's mode becomes that of `/`; the umask must not show there.
      chmodSync(upper, 0o755);
      mkdirSync(work, { mode: 0o700 });
      return new Active(upper, work, {
        commit: (scan) => this.guard(dir, () => this.commit(id, dir, scan)),
        discard: () => this.guard(dir, () => this.options.removeTree(dir)),
      });
    });
  }

  private async commit(id: string, dir: string, scan?: LayerScan): Promise<Snapshot> {
    const { fingerprint, opaqueDirs, xattrs, wanted } = scan ?? (await this.options.scanLayer(join(dir, 'fs')));
    await this.removeWork(join(dir, 'work'));
    const meta: Meta = {
      version: 1,
      createdAtMs: this.options.now(),
      bootId: this.owner.bootId,
      fingerprint,
      opaqueDirs,
      ...(xattrs.size > 0 && { xattrs: [...xattrs] }),
      ...(wanted !== undefined && wanted.size > 0 && { wanted: [...wanted] }),
    };
    writeFileSync(join(dir, 'meta.json'), JSON.stringify(meta));
    renameSync(dir, this.committedPath(id));
    return this.snapshot(id, meta);
  }

  /** What overlay leaves there is a few empty directories, not worth a process. */
  private async removeWork(work: string): Promise<void> {
    try {
      rmSync(work, { recursive: true, force: true });
    } catch (error) {
      // Without root, a directory of mode 0 has to be opened first.
      if (errnoOf(error) !== 'EACCES') throw error;
      await this.options.removeTree(work);
    }
  }

  async get(id: SnapshotId): Promise<Snapshot | undefined> {
    if (!ID.test(id)) throw new Error(`"${id}" is not the id of a snapshot`);
    const meta = this.readMeta(id);
    if (meta === undefined) {
      return undefined;
    }
    if (meta.bootId !== this.owner.bootId && !(await this.isWhole(id, meta))) {
      await this.remove(id);
      return undefined;
    }
    return this.snapshot(id, meta);
  }

  /** Checks a layer from another boot against its fingerprint, and remembers that it matched. */
  private async isWhole(id: SnapshotId, meta: Meta): Promise<boolean> {
    const { fingerprint } = await this.options.scanLayer(join(this.committedPath(id), 'fs'));
    if (fingerprint !== meta.fingerprint) return false;
    const updated: Meta = { ...meta, bootId: this.owner.bootId };
    this.replaceFile(join(this.committedPath(id), 'meta.json'), JSON.stringify(updated));
    return true;
  }

  async list(): Promise<Snapshot[]> {
    const found: Snapshot[] = [];
    for (const name of namesIn(join(this.base, 'committed')).sort(compareBytes)) {
      const meta = this.readMeta(name);
      if (meta !== undefined) found.push(this.snapshot(name, meta));
    }
    return found;
  }

  async remove(id: SnapshotId): Promise<void> {
    if (!ID.test(id)) throw new Error(`"${id}" is not the id of a snapshot`);
    const path = this.committedPath(id);
    await this.guard(path, async () => {
      // Renamed first: a snapshot is there as a whole or not at all, and what is left after a crash is swept.
      await this.open();
      const trash = this.activePath(this.options.newId());
      if (ifExists(() => (renameSync(path, trash), true)) === undefined) return;
      await this.options.removeTree(trash);
    });
  }

  async layerDigest(id: SnapshotId): Promise<LayerDigest | undefined> {
    const text = ifExists(() => readFileSync(join(this.committedPath(id), 'layer.json'), 'utf8'));
    const value = parseObject(text);
    if (value === undefined) return undefined;
    const { diffID, sizeBytes } = value;
    if (typeof diffID !== 'string' || !isDigest(diffID) || !Number.isSafeInteger(sizeBytes)) return undefined;
    return { diffID: asDiffID(diffID) satisfies DiffID, sizeBytes: Number(sizeBytes) };
  }

  async setLayerDigest(id: SnapshotId, digest: LayerDigest): Promise<void> {
    const path = join(this.committedPath(id), 'layer.json');
    await this.guard(path, async () => {
      await this.open();
      const { diffID, sizeBytes } = digest;
      this.replaceFile(path, JSON.stringify({ diffID, sizeBytes }));
    });
  }

  async findUnpacked(key: Digest): Promise<Snapshot | undefined> {
    const id = this.readUnpacked(key);
    return id === undefined ? undefined : this.get(id);
  }

  async setUnpacked(key: Digest, id: SnapshotId): Promise<SnapshotId> {
    const path = this.unpackedPath(key);
    return this.guard(path, async () => {
      await this.open();
      const temporary = this.activePath(this.options.newId());
      writeFileSync(temporary, id);
      for (;;) {
        if (ifNotExists(() => (linkSync(temporary, path), true)) !== undefined) break;
        const first = this.readUnpacked(key);
        if (first !== undefined && (await this.get(first)) !== undefined) {
          unlinkSync(temporary);
          return first;
        }
        // The record names a snapshot that is gone. Only a record that still says so may be taken away.
        if (this.readUnpacked(key) === first) ifExists(() => unlinkSync(path));
      }
      unlinkSync(temporary);
      return id;
    });
  }

  private readUnpacked(key: Digest): SnapshotId | undefined {
    const id = ifExists(() => readFileSync(this.unpackedPath(key), 'latin1'));
    return id !== undefined && ID.test(id) ? (id as SnapshotId) : undefined;
  }

  /** Undefined when there is no snapshot, or one whose metadata did not survive a power cut. */
  private readMeta(id: string): Meta | undefined {
    const value = parseObject(ifExists(() => readFileSync(join(this.committedPath(id), 'meta.json'), 'utf8')));
    return value?.['version'] === 1 ? (value as unknown as Meta) : undefined;
  }

  private snapshot(id: string, meta: Meta): Snapshot {
    const { createdAtMs, opaqueDirs, xattrs = [], wanted } = meta;
    const dir = join(this.committedPath(id), 'fs');
    return {
      id: id as SnapshotId,
      dir,
      createdAtMs,
      opaqueDirs,
      xattrs: new Map(xattrs),
      ...(wanted !== undefined && { wanted: new Map(wanted) }),
    };
  }

  private replaceFile(path: string, text: string): void {
    const temporary = this.activePath(this.options.newId());
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  }

  /** Makes the directories and removes what crashed processes left, once. */
  private open(): Promise<void> {
    this.opened ??= this.makeAndSweep();
    return this.opened;
  }

  private async makeAndSweep(): Promise<void> {
    mkdirSync(this.base, { recursive: true, mode: 0o700 });
    for (const name of ['active', 'committed', 'unpacked'])
      mkdirSync(join(this.base, name), { recursive: true, mode: 0o700 });
    const active = join(this.base, 'active');
    for (const name of namesIn(active)) {
      if (isAbandoned(name, this.owner)) await this.options.removeTree(join(active, name));
    }
  }

  private async guard<T>(path: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw storeError(error, path);
    }
  }

  private activePath(id: string): string {
    return join(this.base, 'active', ownedName(id, this.owner));
  }

  private committedPath(id: string): string {
    return join(this.base, 'committed', id);
  }

  private unpackedPath(key: Digest): string {
    return join(this.base, 'unpacked', hexOf(key));
  }
}

interface ActiveActions {
  readonly commit: (scan?: LayerScan) => Promise<Snapshot>;
  readonly discard: () => Promise<void>;
}

class Active implements ActiveSnapshot {
  readonly upper: string;
  readonly work: string;
  private state: 'active' | 'committed' | 'discarded' = 'active';
  private readonly actions: ActiveActions;

  constructor(upper: string, work: string, actions: ActiveActions) {
    this.upper = upper;
    this.work = work;
    this.actions = actions;
  }

  async commit(scan?: LayerScan): Promise<Snapshot> {
    if (this.state !== 'active') throw new Error(`Cannot commit a snapshot that is ${this.state}`);
    const snapshot = await this.actions.commit(scan);
    this.state = 'committed';
    return snapshot;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.state !== 'active') return;
    this.state = 'discarded';
    await this.actions.discard();
  }
}

function namesIn(dir: string): string[] {
  return ifExists(() => readdirSync(dir)) ?? [];
}

function ifExists<T>(action: () => T): T | undefined {
  return unlessErrno('ENOENT', action);
}

function ifNotExists<T>(action: () => T): T | undefined {
  return unlessErrno('EEXIST', action);
}

function unlessErrno<T>(code: string, action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (errnoOf(error) === code) return undefined;
    throw error;
  }
}

/** The object that `text` describes; undefined where a power cut left an empty or torn file. */
function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
