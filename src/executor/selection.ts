/**
 * What a source of COPY, ADD or a bind mount selects from a tree. The same selection is hashed for the cache key and then copied, so
 * that no entry can be in the one and not in the other.
 */
import { throwIfAborted } from '../core/errors.ts';
import { baseName, cleanPath, parentPath, pathParts, rootedPath } from '../core/paths.ts';
import { suggest } from '../core/suggest.ts';
import type { FileTree, TreeEntry } from '../core/tree.ts';
import { resolvePath } from '../core/tree.ts';
import { parseExcludes } from '../context/dockerignore.ts';
import { compileGoPattern, hasWildcard } from '../context/go-match.ts';
import type { MatchState, PatternList } from '../context/pattern-list.ts';
import type { Selection } from '../solver/op.ts';
import { invalidPattern, sourceNotFound } from './errors.ts';

export interface SelectedEntry {
  /** Rooted path in the tree, no link in its parents. */
  readonly path: string;
  /** Below the source; `''` for the source itself. */
  readonly relative: string;
  readonly entry: TreeEntry;
}

/** One named or matched source. */
export interface SelectedSource {
  /** The last part of the path as named, which a file copied into a directory is called. */
  readonly name: string;
  /** Where the source is, links followed. */
  readonly path: string;
  /** The source first, then what is below it: every directory before its content, names in byte order. */
  readonly entries: readonly SelectedEntry[];
}

export interface SelectOptions {
  /** How messages call the tree; default: `the build context`. */
  readonly place?: string;
  /** Keep the path below `/./`, or below the root, as `--parents` does. */
  readonly parents?: boolean;
  readonly signal?: AbortSignal;
}

/** A tree that knows why something isn't in it. */
interface FilteredTree extends FileTree {
  hiddenBy(path: string): string | undefined;
}

/**
 * The sources in order. Links in the named path are followed inside the tree, links below a copied directory are not. Throws
 * `source-not-found` for a named path that does not exist; a pattern without a match selects nothing.
 */
export function select(tree: FileTree, selection: Selection, options: SelectOptions = {}): SelectedSource[] {
  const exclude = parseExcludes(selection.exclude);
  const place = options.place ?? 'the build context';
  if (options.parents === true) return selectWithParents(tree, selection, exclude, { ...options, place });
  const walk = (path: string): SelectedSource => {
    const real = resolveExisting(tree, path, place);
    return { name: baseName(path), path: real, entries: walkTree(tree, real, { exclude, signal: options.signal }) };
  };
  if (!selection.wildcard || !hasWildcard(selection.source)) return [walk(rootedPath(selection.source))];
  return expandPattern(tree, selection.source, place).map(walk);
}

/**
 * Rooted paths that a pattern matches, in byte order part by part. Only links before the first pattern character are followed, and what
 * is before it must exist.
 */
export function expandPattern(tree: FileTree, source: string, place: string): string[] {
  const parts = pathParts(rootedPath(source));
  const first = parts.findIndex(hasWildcard);
  const base = resolveExisting(tree, `/${parts.slice(0, first).join('/')}`, place);
  const globs = parts.slice(first).map((part) => compileGoPattern(part));
  let found = tree.lstat(base)?.type === 'directory' ? [base] : [];
  for (const glob of globs) {
    if (glob === undefined) throw invalidPattern(source);
    found = found.flatMap((dir) => {
      if (tree.lstat(dir)?.type !== 'directory') return [];
      const prefix = dir === '/' ? '' : dir;
      return tree
        .readdir(dir)
        .filter((name) => glob.matches(name))
        .map((name) => `${prefix}/${name}`);
    });
  }
  return found;
}

function selectWithParents(
  tree: FileTree,
  selection: Selection,
  exclude: PatternList,
  options: SelectOptions & { readonly place: string },
): SelectedSource[] {
  const pivot = selection.source.indexOf('/./');
  const [above, below] =
    pivot === -1 ? ['/', selection.source] : [selection.source.slice(0, pivot), selection.source.slice(pivot + 3)];
  const root = resolveExisting(tree, rootedPath(above), options.place);
  const pattern = cleanPath(`/${below}`).slice(1);
  if (!hasWildcard(pattern) || !selection.wildcard) {
    resolveExisting(tree, root === '/' ? `/${pattern}` : `${root}/${pattern}`, options.place, false);
  }
  const include = pattern === '' ? undefined : parseExcludes([pattern.replace(/^!/, '\\!')]);
  const entries = walkTree(tree, root, { include, exclude, signal: options.signal });
  // The pivot itself only says where the paths begin.
  return entries.length > 1 || include === undefined ? [{ name: '', path: root, entries }] : [];
}

function resolveExisting(tree: FileTree, path: string, place: string, followLast = true): string {
  const real = resolvePath(tree, path, followLast);
  if (tree.lstat(real) !== undefined) return real;
  const parent = parentPath(real);
  const siblings = tree.lstat(parent)?.type === 'directory' ? tree.readdir(parent) : [];
  const near = suggest(baseName(real), siblings);
  throw sourceNotFound(path, place, {
    hiddenBy: 'hiddenBy' in tree ? (tree as FilteredTree).hiddenBy(real) : undefined,
    suggestion: near === undefined ? undefined : `${parent === '/' ? '' : parent}/${near}`,
    via: real === path ? undefined : real,
  });
}

interface WalkOptions {
  /** Absent: everything. */
  readonly include?: PatternList | undefined;
  readonly exclude: PatternList;
  readonly signal?: AbortSignal | undefined;
}

interface Visit {
  readonly path: string;
  readonly relative: string;
  readonly included: MatchState | undefined;
  readonly excluded: MatchState | undefined;
  /** Directories above that are selected only if something in them is, outermost first. */
  readonly pending: readonly SelectedEntry[];
}

const MAX_STEPS_BETWEEN_CHECKS = 1024;

/** The entry at `root` with what is selected below it; filters do not apply to the root itself. */
function walkTree(tree: FileTree, root: string, options: WalkOptions): SelectedEntry[] {
  const { include, exclude } = options;
  const selected: SelectedEntry[] = [];
  const emitted = new Set<SelectedEntry>();
  // A stack of its own: a deep tree must not exhaust the engine's.
  const stack: Visit[] = [{ path: root, relative: '', included: undefined, excluded: undefined, pending: [] }];
  for (let step = 1, visit = stack.pop(); visit !== undefined; step++, visit = stack.pop()) {
    if (step % MAX_STEPS_BETWEEN_CHECKS === 0) throwIfAborted(options.signal);
    const entry = tree.lstat(visit.path);
    if (entry === undefined) continue;
    const { path, relative } = visit;
    const filtered = relative !== '';
    const included = filtered && include !== undefined ? include.match(relative, visit.included) : undefined;
    const excluded = filtered && exclude.patterns.length > 0 ? exclude.match(relative, visit.excluded) : undefined;
    const current: SelectedEntry = { path, relative, entry };
    const isSelected = included?.excluded !== false && excluded?.excluded !== true;
    if (isSelected) {
      for (const ancestor of visit.pending) if (!emitted.has(ancestor)) emit(ancestor);
      emit(current);
    }
    if (entry.type !== 'directory') continue;
    if (included?.excluded === false && include?.mayMatchBelow(relative) !== true) continue;
    if (excluded?.excluded === true && !exclude.mayReinclude(relative)) continue;
    const pending = isSelected ? [] : [...visit.pending, current];
    const prefix = path === '/' ? '' : path;
    for (const name of tree.readdir(path).toReversed()) {
      const below = relative === '' ? name : `${relative}/${name}`;
      stack.push({ path: `${prefix}/${name}`, relative: below, included, excluded, pending });
    }
  }
  return selected;

  function emit(one: SelectedEntry): void {
    emitted.add(one);
    selected.push(one);
  }
}
