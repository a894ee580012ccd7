/**
 * Snapshots: the file system changes of one step, as directories in overlay form.
 *
 * A snapshot is *active* while a step writes into its `upper`, and *committed* afterwards: then it never changes and may be a layer
 * of any number of stacks. A stack is a list of committed snapshots, lowest first; nothing ties a snapshot to the stack it was made on.
 *
 *     const active = await snapshots.prepare();            // <root>/snapshots/active/<id>/{fs,work}
 *     await runtime.run({ rootfs: { kind: 'overlay', lower: dirs, upper: active.upper, work: active.work, … } });
 *     const layer = await active.commit();                 // renamed to <root>/snapshots/committed/<id>/fs
 *
 * What a crashed process left active is removed by the next one. In overlay form a deleted entry is a character device 0:0 and a
 * directory that hides everything below it has the attribute `trusted.overlay.opaque` (`user.overlay.opaque` rootless).
 */
import type { Digest, DiffID } from '../core/digest.ts';
import type { WantedEntry } from '../core/tree-entry.ts';

declare const brand: unique symbol;
/** Name of a committed snapshot: `[a-z0-9]+`. */
export type SnapshotId = string & { readonly [brand]: 'snapshot' };

export interface ActiveSnapshot extends AsyncDisposable {
  /** Absolute host path where the step's changes go. */
  readonly upper: string;
  /** Absolute host path of an empty directory on the same file system, for overlay. */
  readonly work: string;
  /**
   * Makes the changes immutable; the snapshot can then not be discarded any more. What a power cut takes of it is noticed by `get`.
   * `scan` is what a walk over `upper` would find, when that is known.
   */
  commit(scan?: LayerScan): Promise<Snapshot>;
  /** Disposing removes the snapshot unless it was committed. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Snapshot {
  readonly id: SnapshotId;
  /** Absolute host path of the layer directory. */
  readonly dir: string;
  readonly createdAtMs: number;
  /** Rooted paths of the directories that hide everything of lower layers. */
  readonly opaqueDirs: readonly string[];
  /** `TreeEntry.xattrDigest` by rooted path; empty for a snapshot of a store that did not keep them yet. */
  readonly xattrs: ReadonlyMap<string, Digest>;
  /** By rooted path, what is meant to be something else than it is; absent where nothing is. */
  readonly wanted?: ReadonlyMap<string, WantedEntry>;
}

/** What a walk over a layer directory finds out; the native binary fulfils it. */
export interface LayerScan {
  readonly opaqueDirs: readonly string[];
  readonly xattrs: ReadonlyMap<string, Digest>;
  readonly wanted?: ReadonlyMap<string, WantedEntry>;
  /** Equal for two walks that saw the same names, types, owners, modes, sizes and times. */
  readonly fingerprint: string;
}

/** A layer's identity as a tar: known once somebody needed it, then remembered beside the snapshot. */
export interface LayerDigest {
  readonly diffID: DiffID;
  /** Of the uncompressed tar, in bytes. */
  readonly sizeBytes: number;
}

export interface SnapshotStore {
  prepare(): Promise<ActiveSnapshot>;
  /** The committed snapshot, or undefined if there is none (any more). */
  get(id: SnapshotId): Promise<Snapshot | undefined>;
  /** Every committed snapshot, in order of their ids. */
  list(): Promise<Snapshot[]>;
  remove(id: SnapshotId): Promise<void>;

  layerDigest(id: SnapshotId): Promise<LayerDigest | undefined>;
  setLayerDigest(id: SnapshotId, digest: LayerDigest): Promise<void>;

  /** The snapshot that was unpacked from the layer under `key` (a diffID, or a chain ID where the layer depends on those below). */
  findUnpacked(key: Digest): Promise<Snapshot | undefined>;
  /** Remembers `id` under `key`; the first one recorded wins and is returned. */
  setUnpacked(key: Digest, id: SnapshotId): Promise<SnapshotId>;
}
