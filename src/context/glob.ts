/**
 * Glob patterns as automata: matching takes time in proportion to pattern times path, whatever a stranger writes.
 *
 * A pattern is a list of pieces. All states are followed at once, so there is no backtracking to explode.
 */

export type GlobPiece =
  | { readonly kind: 'literal'; readonly text: string }
  /** `?`: one character other than `/`. */
  | { readonly kind: 'any' }
  /** `[a-z]`: one character, which may be `/` when the class says so. */
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly CharRange[] }
  /** `*`: any number of characters other than `/`. */
  | { readonly kind: 'star' }
  /** A `**` in the middle: nothing, or anything that ends in `/`. */
  | { readonly kind: 'directories' }
  /** A `**` at the end: anything. */
  | { readonly kind: 'everything' };

/** Code points, both included. */
export interface CharRange {
  readonly low: number;
  readonly high: number;
}

/** One state per character position; `loop` keeps a state alive, `step` leaves it, `skip` leaves it for free. */
interface State {
  readonly step: ((code: number) => boolean) | undefined;
  readonly loop: ((code: number) => boolean) | undefined;
  readonly skip: readonly number[];
}

const SLASH = 0x2f;
const isAny = (): boolean => true;
const isSlash = (code: number): boolean => code === SLASH;
const isNotSlash = (code: number): boolean => code !== SLASH;

export class Glob {
  private readonly states: readonly State[];
  private readonly prefix: string;
  private readonly suffix: string;

  constructor(pieces: readonly GlobPiece[]) {
    this.states = pieces.flatMap(statesOf);
    this.prefix = literalAt(pieces, 0);
    this.suffix = literalAt(pieces, pieces.length - 1);
  }

  /** Whether the pattern covers all of `path`. */
  matches(path: string): boolean {
    if (!path.startsWith(this.prefix) || !path.endsWith(this.suffix)) return false;
    return this.run(path)?.has(this.states.length) === true;
  }

  /** Whether something that begins with `start` can match. */
  canContinue(start: string): boolean {
    const common = Math.min(start.length, this.prefix.length);
    if (start.slice(0, common) !== this.prefix.slice(0, common)) return false;
    const alive = this.run(start);
    // Being at the end only means that `start` itself matches.
    return alive !== undefined && [...alive].some((state) => state < this.states.length);
  }

  /** The states that are alive after `text`; undefined if there are none. */
  private run(text: string): Set<number> | undefined {
    let current = new Set<number>();
    this.enter(current, 0);
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at) ?? 0;
      if (code > 0xffff) at++;
      const next = new Set<number>();
      for (const index of current) {
        const state = this.states[index];
        if (state === undefined) continue;
        if (state.loop?.(code) === true) this.enter(next, index);
        if (state.step?.(code) === true) this.enter(next, index + 1);
      }
      if (next.size === 0) return undefined;
      current = next;
    }
    return current;
  }

  private enter(into: Set<number>, index: number): void {
    if (into.has(index)) return;
    into.add(index);
    for (const distance of this.states[index]?.skip ?? []) this.enter(into, index + distance);
  }
}

function statesOf(piece: GlobPiece): State[] {
  switch (piece.kind) {
    case 'literal':
      return Array.from(piece.text, (character) => {
        const wanted = character.codePointAt(0);
        return { step: (code) => code === wanted, loop: undefined, skip: [] };
      });
    case 'any':
      return [{ step: isNotSlash, loop: undefined, skip: [] }];
    case 'class':
      return [{ step: (code) => inClass(piece, code), loop: undefined, skip: [] }];
    case 'star':
      return [{ step: undefined, loop: isNotSlash, skip: [1] }];
    case 'everything':
      return [{ step: undefined, loop: isAny, skip: [1] }];
    case 'directories':
      // Either past both states for free, or into the second one, which only a slash leaves.
      return [
        { step: undefined, loop: undefined, skip: [1, 2] },
        { step: isSlash, loop: isAny, skip: [] },
      ];
  }
}

function inClass(piece: GlobPiece & { kind: 'class' }, code: number): boolean {
  return piece.ranges.some(({ low, high }) => low <= code && code <= high) !== piece.negated;
}

function literalAt(pieces: readonly GlobPiece[], index: number): string {
  const piece = pieces[index];
  return piece?.kind === 'literal' ? piece.text : '';
}
