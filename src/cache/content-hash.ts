/**
 * The digest of a part of a tree: everything that copying it would carry over, and nothing else. Two selections with equal digests make
 * equal layers.
 *
 * SHA-256 over the version and, for each entry in byte order of the names, these fields, each ended by a zero byte: name, type, mode
 * (octal), uid, gid, size, link target, device (`major:minor`), hard-link group, xattrs, content. Never times, inode numbers, the
 * order on disk, or what is outside of the selection.
 *
 * - The hard-link group is the name of the first entry of the selection that is the same file, empty where there is only one: links
 *   survive a copy, so they are part of what it makes. BuildKit leaves them out.
 * - Extended attributes are those of files, where the tree knows them: in layers, not in a directory of the client.
 */
import type { Digest } from '../core/digest.ts';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { compareBytes } from '../core/paths.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import { BatchedDigest } from './batched-digest.ts';
import type { ContentMemo } from './content-memo.ts';
import type { FileDigest } from './file-digest.ts';
import { digestFile } from './file-digest.ts';
import { selectionKey } from './selection-key.ts';

export interface HashedEntry {
  /** Where it is in the tree. */
  readonly path: string;
  /** What it is called in the digest; unique within the selection. */
  readonly name: string;
  readonly entry: TreeEntry;
}

export interface HashEntriesOptions {
  readonly memo: ContentMemo;
  /** Owners become 0:0, as in a COPY from the client's context. */
  readonly resetOwner: boolean;
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970 by the clock that file times are set by. */
  readonly clock?: () => number;
}

const VERSION = 'tsbuild.content.v1';

/** Files that are read at a time: enough to keep the thread pool busy. */
const FILES_IN_FLIGHT = 8;

/**
 * A file changed this recently may change again without its times changing, so its digest is not remembered. Two seconds are the
 * coarsest times among file systems in use (FAT); Linux itself is exact to a clock tick.
 */
const UNSETTLED_MS = 2000;

/** From how many entries on a selection is remembered as a whole; below, looking up each file takes no time worth an entry. */
const LARGE_SELECTION = 200;

/** Names must be unique. Throws `source-changed` for a file that is gone or no file any more, `source-not-found` for one that is not readable. */
export async function hashEntries(
  tree: FileTree,
  entries: Iterable<HashedEntry>,
  options: HashEntriesOptions,
): Promise<Digest> {
  const given = [...entries];
  await options.memo.load();
  if (given.length < LARGE_SELECTION) return (await hashSelection(tree, given, options)).digest;
  const key = selectionKey(tree, given, options.resetOwner);
  const known = options.memo.get(key);
  if (known !== undefined) return known;
  const { digest, settled } = await hashSelection(tree, given, options);
  if (settled) await options.memo.set(key, digest);
  return digest;
}

interface SettledDigest {
  readonly digest: Digest;
  /** Whether it is the digest of what was given, and stays so until what `lstat` says changes. */
  readonly settled: boolean;
}

async function hashSelection(
  tree: FileTree,
  entries: readonly HashedEntry[],
  options: HashEntriesOptions,
): Promise<SettledDigest> {
  const sorted = entries.toSorted((a, b) => compareBytes(a.name, b.name));
  const { contents, settled } = await digestContents(tree, sorted, options);
  const groups = hardLinkGroups(sorted);
  const digest = new BatchedDigest();
  digest.add(`${VERSION}\0`);
  let previous: string | undefined;
  for (const [index, { path, name, entry }] of sorted.entries()) {
    if (name === previous) throw new Error(`"${name}" is selected twice`);
    previous = name;
    const { type, device, hardLinkId } = entry;
    const mode = type === 'symlink' ? '777' : entry.mode.toString(8);
    const [uid, gid] = options.resetOwner ? [0, 0] : [entry.uid, entry.gid];
    const target = type === 'symlink' ? tree.readlink(path) : '';
    const numbers = device === undefined ? '' : `${device.major}:${device.minor}`;
    const group = hardLinkId === undefined ? '' : (groups.get(hardLinkId) ?? '');
    // A copy does not carry over those of directories.
    const xattrs = type === 'file' ? (entry.xattrDigest ?? '') : '';
    const content = type === 'file' ? (contents[index] ?? missing(name)) : '';
    digest.add(
      `${name}\0${type}\0${mode}\0${uid}\0${gid}\0${entry.size}\0${target}\0${numbers}\0${group}\0${xattrs}\0${content}\0`,
    );
  }
  return { digest: digest.end(), settled };
}

interface Contents {
  /** Of each entry that is a file, in the order of the entries. */
  readonly contents: readonly (Digest | undefined)[];
  readonly settled: boolean;
}

async function digestContents(
  tree: FileTree,
  sorted: readonly HashedEntry[],
  options: HashEntriesOptions,
): Promise<Contents> {
  let settled = true;
  const contents = sorted.map(({ entry }) => (entry.type === 'file' ? options.memo.get(entry.statKey) : undefined));
  // The names of one file are read once.
  const unknown = new Map<string, { readonly item: HashedEntry; readonly indexes: number[] }>();
  for (const [index, item] of sorted.entries()) {
    if (item.entry.type !== 'file' || contents[index] !== undefined) continue;
    const same = unknown.get(item.entry.statKey);
    if (same) same.indexes.push(index);
    else unknown.set(item.entry.statKey, { item, indexes: [index] });
  }
  const stop = new AbortController();
  const waiting = unknown.values();
  const work = async (): Promise<void> => {
    for (const { item, indexes } of waiting) {
      throwIfAborted(options.signal);
      // Another one failed, and tells why.
      if (stop.signal.aborted) return;
      const read = await digestContent(tree, item, options);
      settled &&= read.settled;
      for (const index of indexes) contents[index] = read.digest;
    }
  };
  const workers = Array.from({ length: Math.min(FILES_IN_FLIGHT, unknown.size) }, async () => {
    try {
      await work();
    } catch (error) {
      stop.abort();
      throw error;
    }
  });
  // Nothing may be reading when this returns.
  const outcomes = await Promise.allSettled(workers);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return { contents, settled };
}

async function digestContent(
  tree: FileTree,
  { path, entry }: HashedEntry,
  options: HashEntriesOptions,
): Promise<SettledDigest> {
  const now = options.clock ?? Date.now;
  let read: FileDigest | undefined;
  try {
    read = await digestFile(tree.hostPath(path), options.signal);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!read) throw changed(path);
  const settled = isSettled(read, entry, now());
  if (settled) await options.memo.set(entry.statKey, read.digest);
  return { digest: read.digest, settled };
}

/** Whether what was read is what `entry` describes, and cannot have changed afterwards under the same times. */
function isSettled(read: FileDigest, entry: TreeEntry, nowMs: number): boolean {
  if (!read.stable || read.sizeBytes !== entry.size || read.mtimeNs !== entry.mtimeNs) return false;
  const latest = read.ctimeNs > read.mtimeNs ? read.ctimeNs : read.mtimeNs;
  return latest <= BigInt(Math.floor(nowMs - UNSETTLED_MS)) * 1_000_000n;
}

/** For each hard-linked file with several names in the selection, the first of them. */
function hardLinkGroups(sorted: readonly HashedEntry[]): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  const groups = new Map<string, string>();
  for (const { name, entry } of sorted) {
    if (entry.hardLinkId === undefined) continue;
    const leader = first.get(entry.hardLinkId);
    if (leader === undefined) first.set(entry.hardLinkId, name);
    else groups.set(entry.hardLinkId, leader);
  }
  return groups;
}

function missing(name: string): never {
  throw new Error(`"${name}" was not hashed`);
}

function changed(path: string): BuildError {
  return new BuildError('source-changed', `Cannot read "${path}": it changed while the build was reading it`, {
    hint: 'build again when nothing writes to it, or list it in .dockerignore',
  });
}

function unreadable(path: string, error: unknown): unknown {
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENXIO':
      return changed(path);
    case 'EACCES':
    case 'EPERM':
      return new BuildError('source-not-found', `Cannot read "${path}": permission denied`, { cause: error });
    default:
      return error;
  }
}
