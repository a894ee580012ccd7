/**
 * A directory of the client as a build context.
 *
 * Ignored entries do not exist in it. Nothing is ever followed out of it: every host path that is handed out has
 * only real directories between the root and its last part. What was asked once is remembered, so that one build sees one state of
 * the directory and asks for each entry once.
 */
import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { decodeLatin1Path, decodePath, fsPath } from '../core/path-bytes.ts';
import { compareBytes, parentPath } from '../core/paths.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import type { IgnoreRules } from './dockerignore.ts';
import { ignoreState } from './dockerignore.ts';
import { hostEntry, hostError } from './host-entry.ts';
import type { MatchState } from './pattern-list.ts';

export interface LocalTreeOptions {
  readonly ignore?: IgnoreRules;
}

interface Node {
  readonly entry: TreeEntry;
  /** Absent for the root and without rules. */
  readonly state: MatchState | undefined;
  names: readonly string[] | undefined;
}

export class LocalTree implements FileTree {
  /** Absolute host path, links resolved. */
  readonly root: string;
  private readonly ignore: IgnoreRules | undefined;
  private readonly nodes = new Map<string, Node | undefined>();

  /** `dir` is a directory, or a link to one, which is resolved now. */
  constructor(dir: string, options: LocalTreeOptions = {}) {
    this.root = realpathSync(dir);
    this.ignore =
      options.ignore !== undefined && options.ignore.patterns.patterns.length > 0 ? options.ignore : undefined;
  }

  /** Whether rules may hide a part of the directory. */
  get isFiltered(): boolean {
    return this.ignore !== undefined;
  }

  lstat(path: string): TreeEntry | undefined {
    return this.node(path)?.entry;
  }

  readdir(path: string): string[] {
    const node = this.node(path);
    if (node === undefined) throw new Error(`ENOENT: "${path}" does not exist`);
    if (node.entry.type !== 'directory') throw new Error(`ENOTDIR: "${path}" is not a directory`);
    node.names ??= this.list(path);
    return [...node.names];
  }

  readlink(path: string): string {
    return decodePath(readlinkSync(fsPath(this.hostPath(path)), 'buffer'));
  }

  hostPath(path: string): string {
    return path === '/' ? this.root : `${this.root === '/' ? '' : this.root}${path}`;
  }

  /** The name of the ignore file that hides `path`; undefined if `path` isn't there at all, or is visible. */
  hiddenBy(path: string): string | undefined {
    if (this.ignore === undefined || path === '/' || this.node(path) !== undefined) return undefined;
    return hostEntry(this.hostPath(path)) === undefined ? undefined : this.ignore.name;
  }

  private node(path: string): Node | undefined {
    const known = this.nodes.get(path);
    if (known !== undefined || this.nodes.has(path)) return known;
    const found = this.find(path);
    this.nodes.set(path, found);
    return found;
  }

  private find(path: string): Node | undefined {
    if (path === '/') {
      const entry = hostEntry(this.root);
      return entry === undefined ? undefined : { entry, state: undefined, names: undefined };
    }
    const parent = this.node(parentPath(path));
    if (parent?.entry.type !== 'directory') return undefined;
    const state = this.ignore === undefined ? undefined : ignoreState(this.ignore, path, parent.state);
    if (state?.excluded === true && this.ignore?.patterns.mayReinclude(path.slice(1)) !== true) return undefined;
    const entry = hostEntry(this.hostPath(path));
    if (entry === undefined) return undefined;
    const node: Node = { entry, state, names: undefined };
    if (state?.excluded !== true) return node;
    // An ignored directory shows only as the way to what an exception takes back.
    if (entry.type !== 'directory') return undefined;
    this.nodes.set(path, node);
    node.names = this.list(path);
    return node.names.length > 0 ? node : undefined;
  }

  /** The visible names of a directory whose node is known. */
  private list(path: string): string[] {
    const prefix = path === '/' ? '' : path;
    return readNames(this.hostPath(path))
      .filter((name) => this.node(`${prefix}/${name}`) !== undefined)
      .sort(compareBytes);
  }
}

function readNames(dir: string): string[] {
  try {
    return readdirSync(fsPath(dir), 'latin1').map(decodeLatin1Path);
  } catch (error) {
    throw hostError(error, dir);
  }
}
