/**
 * COPY: selected sources into a destination, with BuildKit's rules (github.com/tonistiigi/fsutil/copy):
 *
 * - A destination that ends in a slash, or that is a directory, receives files by their name; else it is the file's name. A directory's
 *   content goes into the destination in any case.
 * - Links in the destination's path are followed, its last part included; links met below it are replaced.
 * - Directories that are made on the way get mode 0755, or an octal `--chmod`, and the owner of the copy. The destination itself keeps
 *   mode and owner if it exists; directories below it take those of the source.
 */
import { throwIfAborted } from '../core/errors.ts';
import { cleanPath, parentPath } from '../core/paths.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import { unreachable } from '../core/exhaustive.ts';
import type { Metadata } from '../runtime-native/tree-types.ts';
import type { CopyAction, ModeChange } from '../solver/op.ts';
import type { Destination, NewDirectory } from './destination.ts';
import { notADirectory } from './errors.ts';
import { compileModeChange } from './mode-change.ts';
import type { Ids } from './owner.ts';
import { ROOT } from './owner.ts';
import type { SelectedEntry, SelectedSource } from './selection.ts';

export interface CopyContext {
  /** Where the sources were selected. */
  readonly tree: FileTree;
  readonly destination: Destination;
  /** `action.owner` in numbers. */
  readonly owner: Ids | undefined;
  readonly signal: AbortSignal;
}

const NO_DEVICE = { major: 0, minor: 0 };

/** Copies one source; throws `path-conflict` where types do not agree. */
export async function copySource(action: CopyAction, source: SelectedSource, context: CopyContext): Promise<void> {
  const [root] = source.entries;
  if (root === undefined) return;
  const isDirectory = root.entry.type === 'directory';
  const made = newDirectory(action.mode, context.owner);
  const target = await prepareTarget(action.destination, { isDirectory, name: source.name }, made, context.destination);
  const copier = new Copier(action, context);
  for (const [index, selected] of source.entries.entries()) {
    if (index % 256 === 0) throwIfAborted(context.signal);
    if (selected.relative !== '') await copier.entry(joined(target, selected.relative), selected);
    else if (!isDirectory) await copier.entry(target, selected);
  }
  if (isDirectory) await context.destination.touchDirectory(target, root.entry.mtimeNs);
}

/** Makes the directories that a copy to `wanted` needs; returns where its first entry goes. */
export async function prepareTarget(
  wanted: string,
  source: { readonly isDirectory: boolean; readonly name: string },
  made: NewDirectory,
  destination: Destination,
): Promise<string> {
  const cleaned = cleanPath(`/${wanted}`);
  const receives = /(^|\/)\.?$/.test(wanted);
  await destination.makeDirectories(destination.resolve(receives ? cleaned : parentPath(cleaned)), made);
  const target = destination.resolve(cleaned);
  const existing = destination.lstat(target)?.type;
  if (source.isDirectory) {
    if (existing === undefined) await destination.makeDirectories(target, made);
    else if (existing !== 'directory') throw notADirectory(target);
    return target;
  }
  const path = existing === 'directory' ? joined(target, source.name) : target;
  // The destination may be a link that leads to where nothing is yet.
  await destination.makeDirectories(parentPath(path), made);
  return path;
}

/** What directories on the way to a destination look like. The umask is that of Docker's daemon. */
export function newDirectory(mode: ModeChange | undefined, owner: Ids | undefined): NewDirectory {
  return { mode: mode?.kind === 'octal' ? mode.mode & 0o755 : 0o755, ...(owner ?? ROOT) };
}

class Copier {
  private readonly action: CopyAction;
  private readonly context: CopyContext;
  private readonly changeMode: ReturnType<typeof compileModeChange> | undefined;
  /** By hard link id of the source: where its first name went. */
  private readonly links = new Map<string, string>();

  constructor(action: CopyAction, context: CopyContext) {
    this.action = action;
    this.context = context;
    this.changeMode = action.mode === undefined ? undefined : compileModeChange(action.mode);
  }

  async entry(target: string, { path, entry }: SelectedEntry): Promise<void> {
    const { destination, tree } = this.context;
    const metadata = this.metadataOf(entry);
    switch (entry.type) {
      case 'directory':
        return destination.directory(target, metadata);
      case 'file': {
        const first = entry.hardLinkId === undefined ? undefined : this.links.get(entry.hardLinkId);
        if (first !== undefined) return destination.link(target, first);
        if (entry.hardLinkId !== undefined) this.links.set(entry.hardLinkId, target);
        return destination.file(target, metadata, { kind: 'host', path: tree.hostPath(path) });
      }
      case 'symlink':
        return destination.symlink(target, tree.readlink(path), metadata);
      case 'fifo':
        return destination.node(target, 'fifo', NO_DEVICE, metadata);
      case 'character':
      case 'block':
        // BuildKit makes every device that it copies one of characters.
        return destination.node(target, 'character', entry.device ?? NO_DEVICE, metadata);
      case 'socket':
        // Nobody listens at a copy; BuildKit leaves an empty file.
        return destination.file(target, metadata, { kind: 'bytes', data: new Uint8Array() });
      default:
        return unreachable(entry.type);
    }
  }

  private metadataOf(entry: TreeEntry): Metadata {
    const { owner } = this.context;
    const { uid, gid } = owner ?? (this.action.resetOwner ? ROOT : entry);
    const isLink = entry.type === 'symlink';
    const mode =
      this.changeMode === undefined || isLink
        ? entry.mode
        : this.changeMode({ mode: entry.mode, isDirectory: entry.type === 'directory' });
    return { mode, uid, gid, mtimeNs: entry.mtimeNs };
  }
}

function joined(dir: string, relative: string): string {
  return dir === '/' ? `/${relative}` : `${dir}/${relative}`;
}
