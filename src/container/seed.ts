/** Copies what an image has at a volume's place into the volume. */
import { chmod, utimes } from 'node:fs/promises';
import { giveTo } from '../core/give.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import { resolvePath } from '../core/tree.ts';
import type { Metadata, NativeFiles, TreeWriter, WriteOptions } from '../runtime-native/tree-types.ts';

const UPDATE: WriteOptions = { existing: 'update' };
const NS_PER_S = 1e9;

/**
 * Fills the empty directory `dir` with the content, owner and mode of the directory at `target` in `tree`; links in `target` are
 * followed inside the tree. Does nothing when there is no directory.
 */
export async function seedVolume(
  files: Pick<NativeFiles, 'openWriter'>,
  tree: FileTree,
  target: string,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const source = resolvePath(tree, target);
  const entry = tree.lstat(source);
  if (entry?.type !== 'directory') return;
  if (tree.readdir(source).length > 0) {
    await using writer = files.openWriter({ kind: 'directory', path: dir }, { signal });
    await copyChildren(writer, tree, source, '', new Map());
    await writer.close();
  }
  giveTo(dir, entry.uid, entry.gid);
  // After the owner, which clears the set-id bits.
  await chmod(dir, entry.mode);
  const time = Number(entry.mtimeNs) / NS_PER_S;
  await utimes(dir, time, time);
}

/** `linked` has the first name of every file that has several. */
async function copyChildren(
  writer: TreeWriter,
  tree: FileTree,
  source: string,
  target: string,
  linked: Map<string, string>,
): Promise<void> {
  for (const name of tree.readdir(source)) {
    const from = source === '/' ? `/${name}` : `${source}/${name}`;
    const to = target === '' ? name : `${target}/${name}`;
    const entry = tree.lstat(from);
    if (entry === undefined) continue;
    const first = entry.hardLinkId === undefined ? undefined : linked.get(entry.hardLinkId);
    if (first !== undefined) {
      await writer.link(to, first, UPDATE);
      continue;
    }
    if (entry.hardLinkId !== undefined) linked.set(entry.hardLinkId, to);
    await copyEntry(writer, tree, entry, from, to);
    if (entry.type === 'directory') await copyChildren(writer, tree, from, to, linked);
  }
}

async function copyEntry(
  writer: TreeWriter,
  tree: FileTree,
  entry: TreeEntry,
  from: string,
  to: string,
): Promise<void> {
  const metadata: Metadata = { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtimeNs: entry.mtimeNs };
  switch (entry.type) {
    case 'directory':
      return writer.directory(to, metadata, UPDATE);
    case 'file':
      return writer.file(to, metadata, { kind: 'host', path: tree.hostPath(from) }, UPDATE);
    case 'symlink':
      return writer.symlink(to, tree.readlink(from), metadata, UPDATE);
    case 'fifo':
      return writer.node(to, 'fifo', { major: 0, minor: 0 }, metadata, UPDATE);
    case 'character':
    case 'block':
      return writer.node(to, entry.type, entry.device ?? { major: 0, minor: 0 }, metadata, UPDATE);
    case 'socket':
      // Without its process a socket is of no use, and no archive can hold one.
      return;
    default:
      return unreachable(entry.type);
  }
}
