/** What `lstat` says, as an entry of a tree. */
import type { BigIntStats } from 'node:fs';
import type { EntryType, TreeEntry } from './tree.ts';

const TYPES: Readonly<Record<number, EntryType>> = {
  0o010000: 'fifo',
  0o020000: 'character',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};

/** What an entry of a layer is meant to be, where this user cannot make it so: c/wanted.h tells how it is kept. */
export interface WantedEntry {
  readonly uid: number;
  readonly gid: number;
  /** Of what is an empty file meanwhile. */
  readonly device?: { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number };
}

/** The entry as it is meant. */
export function wantedEntryOf(entry: TreeEntry, { uid, gid, device }: WantedEntry): TreeEntry {
  if (device === undefined) return { ...entry, uid, gid };
  const { type, major, minor } = device;
  return { ...entry, type, uid, gid, size: 0, device: { major, minor } };
}

/** The entry of a file on the host, by its own `lstat`. */
export function treeEntryOf(stats: BigIntStats): TreeEntry {
  const mode = Number(stats.mode);
  const type = TYPES[mode & 0o170000];
  if (type === undefined) throw new Error(`unknown file mode 0${mode.toString(8)}`);
  return {
    type,
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === 'file' ? Number(stats.size) : 0,
    mtimeNs: stats.mtimeNs,
    ...((type === 'character' || type === 'block') && { device: deviceOf(Number(stats.rdev)) }),
    ...(type !== 'directory' && stats.nlink > 1n && { hardLinkId: `${stats.dev}:${stats.ino}` }),
    statKey: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`,
  };
}

/** As the kernel encodes it for user space: 12 bits of major between two halves of the minor (new_encode_dev in linux/kdev_t.h). */
function deviceOf(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
