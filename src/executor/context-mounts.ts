/**
 * Parts of the client's directories as mounts.
 *
 * A RUN must see what a COPY would copy: no ignored files, everything owned by root, no changes half-way. So the part is copied once
 * for the build and mounted from there.
 */
import { SharedWork } from '../core/shared-work.ts';
import { LocalTree } from '../context/local.ts';
import type { FileTree } from '../core/tree.ts';
import type { ActiveSnapshot } from '../snapshot/types.ts';
import { copySource } from './copy.ts';
import { Destination } from './destination.ts';
import { EmptyTree } from './empty-tree.ts';
import { ROOT } from './owner.ts';
import type { SelectedSource } from './selection.ts';
import { checkUnchanged } from './source-check.ts';
import type { ExecutorDeps } from './types.ts';

export interface ContextMount {
  /** Host path of a directory that holds the part at its path in the tree. */
  readonly dir: string;
}

export class ContextMounts implements AsyncDisposable {
  private readonly deps: Pick<ExecutorDeps, 'snapshots' | 'files'>;
  private readonly copies = new Map<FileTree, Map<string, ActiveSnapshot>>();
  private readonly copying = new Map<FileTree, SharedWork<ActiveSnapshot>>();

  constructor(deps: Pick<ExecutorDeps, 'snapshots' | 'files'>) {
    this.deps = deps;
  }

  /** The copy of a source of `tree`; valid until the build ends. */
  async open(tree: FileTree, source: SelectedSource, signal: AbortSignal): Promise<ContextMount> {
    const copies = entryOf(this.copies, tree, () => new Map<string, ActiveSnapshot>());
    const known = copies.get(source.path);
    if (known !== undefined) return { dir: known.upper };
    const work = entryOf(this.copying, tree, () => new SharedWork<ActiveSnapshot>());
    const copy = await work.run(source.path, signal, async (shared) => {
      const made = await this.copy(tree, source, shared);
      copies.set(source.path, made);
      return made;
    });
    return { dir: copy.upper };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const copies of this.copies.values()) {
      for (const copy of copies.values()) await copy[Symbol.asyncDispose]();
    }
    this.copies.clear();
  }

  private async copy(tree: FileTree, source: SelectedSource, signal: AbortSignal): Promise<ActiveSnapshot> {
    const files = await this.deps.files();
    const active = await this.deps.snapshots.prepare();
    try {
      await using writer = files.openWriter({ kind: 'directory', path: active.upper }, { signal });
      const destination = new Destination(new EmptyTree(), writer);
      await copySource(copyWhole(source), source, { tree, destination, owner: ROOT, signal });
      const [root] = source.entries;
      // A COPY would not take over the metadata of the directory itself; a mount shows it.
      if (root?.entry.type === 'directory') {
        await destination.directory(source.path, { mode: root.entry.mode, ...ROOT, mtimeNs: root.entry.mtimeNs });
      }
      await writer.close();
      if (tree instanceof LocalTree) checkUnchanged([{ tree, place: 'the build context', sources: [source] }], signal);
      return active;
    } catch (error) {
      await active[Symbol.asyncDispose]();
      throw error;
    }
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** The action that puts a source where it is in its tree. */
function copyWhole({ path }: SelectedSource): Parameters<typeof copySource>[0] {
  return {
    kind: 'copy',
    input: 0,
    selection: { source: path, wildcard: false, exclude: [] },
    destination: path,
    parents: false,
    unpack: false,
    resetOwner: true,
  };
}
