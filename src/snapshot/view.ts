/**
 * The merged view of a stack of layer directories, as overlayfs would show it, without mounting anything.
 *
 * A path is resolved part by part: each part is looked up, without following links, only in those layers in which everything above
 * it is a directory. So no path that is handed to the host has a symbolic link in its parents.
 */
import type { BigIntStats } from 'node:fs';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { Digest } from '../core/digest.ts';
import { errnoOf } from '../core/errors.ts';
import { decodeLatin1Path, decodePath, fsPath } from '../core/path-bytes.ts';
import { baseName, compareBytes, parentPath } from '../core/paths.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import type { WantedEntry } from '../core/tree-entry.ts';
import { treeEntryOf, wantedEntryOf } from '../core/tree-entry.ts';
import type { LayerScan } from './types.ts';

/** A layer directory in overlay form with its opaque directories as rooted paths; a `Snapshot` is one. */
export interface ViewLayer {
  readonly dir: string;
  readonly opaqueDirs: readonly string[];
  readonly xattrs?: ReadonlyMap<string, Digest>;
  readonly wanted?: ReadonlyMap<string, WantedEntry>;
}

interface Layer {
  readonly dir: string;
  readonly opaque: ReadonlySet<string>;
  readonly xattrs: ReadonlyMap<string, Digest>;
  readonly wanted: ReadonlyMap<string, WantedEntry> | undefined;
}

interface Node {
  readonly entry: TreeEntry;
  /** Layers that the entry is made of, highest first: all that contribute to a directory, else one. */
  readonly layers: readonly Layer[];
  /** Of a directory, once it has been listed: for each name, the layers that have it, highest first. */
  names: Map<string, Layer[]> | undefined;
  list: string[] | undefined;
}

/** The root of a stack without layers. */
const EMPTY_ROOT: TreeEntry = { type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n, statKey: '' };

const NONE: ReadonlyMap<string, Digest> = new Map();

/** A stack that does not change while the view is in use. Look-ups are remembered. */
export class MergedView implements FileTree {
  private readonly nodes = new Map<string, Node | undefined>();

  /** `layers`: lowest first. */
  constructor(layers: readonly ViewLayer[]) {
    const highestFirst = layers
      .map(({ dir, opaqueDirs, xattrs = NONE, wanted }): Layer => ({
        dir,
        opaque: new Set(opaqueDirs),
        xattrs,
        wanted,
      }))
      .reverse();
    const [top] = highestFirst;
    const entry = top === undefined ? EMPTY_ROOT : entryOf(lstatSync(top.dir, { bigint: true }));
    const hiding = highestFirst.findIndex((layer) => layer.opaque.has('/'));
    const visible = hiding === -1 ? highestFirst : highestFirst.slice(0, hiding + 1);
    this.nodes.set('/', { entry, layers: visible, names: undefined, list: undefined });
  }

  lstat(path: string): TreeEntry | undefined {
    return this.node(path)?.entry;
  }

  readdir(path: string): string[] {
    const node = this.existing(path);
    if (node.entry.type !== 'directory') throw new Error(`ENOTDIR: "${path}" is not a directory`);
    if (node.list === undefined) {
      node.names ??= namesOf(node, path);
      const prefix = path === '/' ? '' : path;
      // Asking for each entry drops the whiteouts.
      node.list = [...node.names.keys()]
        .filter((name) => this.node(`${prefix}/${name}`) !== undefined)
        .sort(compareBytes);
    }
    return [...node.list];
  }

  readlink(path: string): string {
    return decodePath(readlinkSync(fsPath(this.hostPath(path)), 'buffer'));
  }

  /** The path in the highest layer that has the entry. Names that aren't UTF-8 are escaped: give it to `fsPath` before opening it. */
  hostPath(path: string): string {
    const [layer] = this.existing(path).layers;
    if (layer === undefined) throw new Error('An empty stack has no host path');
    return hostPathIn(layer, path);
  }

  private existing(path: string): Node {
    const node = this.node(path);
    if (node === undefined) throw new Error(`ENOENT: "${path}" does not exist`);
    return node;
  }

  private node(path: string): Node | undefined {
    const known = this.nodes.get(path);
    if (known !== undefined || this.nodes.has(path)) return known;
    if (!path.startsWith('/')) throw new Error(`"${path}" is not a rooted path`);
    const parent = this.node(parentPath(path));
    const found = parent === undefined ? undefined : find(parent, path);
    this.nodes.set(path, found);
    return found;
  }
}

/** Opens the view of `lower` (lowest first) below `top`, a layer directory that may have been written to until now. */
export async function openView(
  lower: readonly ViewLayer[],
  top: { readonly dir: string; readonly scanLayer: (dir: string) => Promise<LayerScan> },
): Promise<MergedView> {
  const { opaqueDirs, xattrs, wanted } = await top.scanLayer(top.dir);
  return new MergedView([...lower, { dir: top.dir, opaqueDirs, xattrs, ...(wanted !== undefined && { wanted }) }]);
}

function find(parent: Node, path: string): Node | undefined {
  const name = baseName(path);
  // A clean path has no such part; should one come all the same, it must not lead out of the layer.
  if (parent.entry.type !== 'directory' || name === '' || name === '.' || name === '..') return undefined;
  const candidates = parent.names === undefined ? parent.layers : (parent.names.get(name) ?? []);
  const layers: Layer[] = [];
  let entry: TreeEntry | undefined;
  for (const layer of candidates) {
    const stats = lstat(hostPathIn(layer, path));
    if (stats === undefined) continue;
    if (isWhiteout(stats)) break;
    const isDirectory = stats.isDirectory();
    // A non-directory below a directory is hidden by it, with everything further down.
    if (entry !== undefined && !isDirectory) break;
    entry ??= entryOf(stats, layer.xattrs.get(path), layer.wanted?.get(path));
    layers.push(layer);
    if (!isDirectory || layer.opaque.has(path)) break;
  }
  return entry === undefined ? undefined : { entry, layers, names: undefined, list: undefined };
}

function namesOf(node: Node, path: string): Map<string, Layer[]> {
  const names = new Map<string, Layer[]>();
  for (const layer of node.layers) {
    for (const raw of readdirSync(fsPath(hostPathIn(layer, path)), 'latin1')) {
      const name = decodeLatin1Path(raw);
      const having = names.get(name);
      if (having === undefined) names.set(name, [layer]);
      else having.push(layer);
    }
  }
  return names;
}

function hostPathIn(layer: Layer, path: string): string {
  return path === '/' ? layer.dir : layer.dir + path;
}

function lstat(path: string): BigIntStats | undefined {
  try {
    return lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // No layer has an entry whose name is too long for a file system.
    if (errnoOf(error) === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

function isWhiteout(stats: BigIntStats): boolean {
  return stats.rdev === 0n && stats.isCharacterDevice();
}

function entryOf(stats: BigIntStats, xattrDigest?: Digest, wanted?: WantedEntry): TreeEntry {
  const found = treeEntryOf(stats);
  const entry = wanted === undefined ? found : wantedEntryOf(found, wanted);
  return xattrDigest === undefined ? entry : { ...entry, xattrDigest };
}
