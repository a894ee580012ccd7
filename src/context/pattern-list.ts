/**
 * An ordered list of exclusion patterns in Docker's language (github.com/moby/patternmatcher), as .dockerignore and `--exclude` use it.
 *
 * The last pattern that matches an entry, or one of the directories above it, decides; `!` makes an exception. `**` stands for any
 * number of directories. A walk hands each entry the state of its parent, so that no path is matched against its ancestors again.
 */
import type { GlobPiece } from './glob.ts';
import { Glob } from './glob.ts';
import { appendPiece, parseGoPattern, PatternReader } from './go-match.ts';

export interface Pattern {
  /** Cleaned, without the `!`. */
  readonly text: string;
  /** Starts with `!`: takes back what earlier patterns exclude. */
  readonly exception: boolean;
  readonly matcher: PathMatcher;
}

export interface PathMatcher {
  matches(path: string): boolean;
  /** Whether anything below the directory `path` can match. */
  canMatchBelow(path: string): boolean;
}

/** What the patterns say about an entry, and what its children need to know of it. */
export interface MatchState {
  readonly excluded: boolean;
  /** By pattern: whether it matches this entry or a directory above it. */
  readonly matched: readonly boolean[];
}

export class PatternList {
  readonly patterns: readonly Pattern[];
  private readonly exceptions: readonly Pattern[];

  constructor(patterns: readonly Pattern[]) {
    this.patterns = patterns;
    this.exceptions = patterns.filter((pattern) => pattern.exception);
  }

  /** `path` is relative to the root, without a leading slash; `parent` is the state of its directory, absent at the top. */
  match(path: string, parent: MatchState | undefined): MatchState {
    let excluded = false;
    const matched = this.patterns.map((pattern, index) => {
      // A pattern that could only repeat what is already decided isn't asked.
      const matches =
        parent?.matched[index] === true || (pattern.exception === excluded && pattern.matcher.matches(path));
      if (matches) excluded = !pattern.exception;
      return matches;
    });
    return { excluded, matched };
  }

  /** The state of an entry that is reached without a walk. */
  matchPath(path: string): MatchState {
    const parts = path.split('/');
    let state: MatchState | undefined;
    for (let count = 1; count <= parts.length; count++) state = this.match(parts.slice(0, count).join('/'), state);
    return state ?? { excluded: false, matched: [] };
  }

  /** Whether an exception may take back something below the excluded directory `path`. */
  mayReinclude(path: string): boolean {
    return this.exceptions.some((pattern) => pattern.matcher.canMatchBelow(path));
  }

  /** Whether any pattern may match something below `path`. */
  mayMatchBelow(path: string): boolean {
    return this.patterns.some((pattern) => pattern.matcher.canMatchBelow(path));
  }
}

/** Compiles one cleaned pattern; undefined if it is malformed. */
export function compilePattern(text: string): PathMatcher | undefined {
  if (parseGoPattern(text) === undefined) return undefined;
  const special = /[*?[\]\\]/;
  if (!special.test(text)) return exactMatcher(text);
  const head = text.slice(0, -2);
  if (text.endsWith('**') && head !== '' && !special.test(head)) return prefixMatcher(head);
  const tail = text.slice(2);
  if (text.startsWith('**') && !special.test(tail)) return suffixMatcher(tail);
  return globMatcher(new Glob(piecesOf(text)));
}

function exactMatcher(text: string): PathMatcher {
  return { matches: (path) => path === text, canMatchBelow: (path) => text.startsWith(`${path}/`) };
}

/** `head**`: whatever begins with `head`, be it in the middle of a name. */
function prefixMatcher(head: string): PathMatcher {
  return {
    matches: (path) => path.startsWith(head),
    canMatchBelow: (path) => `${path}/`.startsWith(head) || head.startsWith(`${path}/`),
  };
}

/** `**tail`: whatever ends in `tail`, be it in the middle of a name; of `** /x` the slash may be missing at the top. */
function suffixMatcher(tail: string): PathMatcher {
  return {
    matches: (path) => path.endsWith(tail) || (tail.startsWith('/') && path === tail.slice(1)),
    canMatchBelow: () => true,
  };
}

function globMatcher(glob: Glob): PathMatcher {
  return { matches: (path) => glob.matches(path), canMatchBelow: (path) => glob.canContinue(`${path}/`) };
}

function piecesOf(text: string): GlobPiece[] {
  const reader = new PatternReader(text);
  const pieces: GlobPiece[] = [];
  while (!reader.atEnd()) {
    if (reader.accept('**')) {
      reader.accept('/');
      pieces.push({ kind: reader.atEnd() ? 'everything' : 'directories' });
      continue;
    }
    const piece = reader.piece();
    if (piece !== undefined) appendPiece(pieces, piece);
  }
  return pieces;
}
