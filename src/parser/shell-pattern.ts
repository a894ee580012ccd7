/**
 * The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?` and backslash quoting, no brackets.
 *
 * A pattern is a list of segments between stars. Segments are searched for from left to right without going back, so the time is
 * bounded by the product of the two lengths whatever a Dockerfile says. Wildcards match line ends, too, as in a shell.
 */

/** One character, or `undefined` for `?`. */
type Token = string | undefined;
type Segment = readonly Token[];

/** Split at stars; a pattern without a star is one segment, `*` is two empty ones. */
export type ShellPattern = readonly Segment[];

/** Reads a pattern; undefined when a backslash stands before something that needs no quoting. */
export function parsePattern(text: string): ShellPattern | undefined {
  const segments: Token[][] = [[]];
  const characters = Array.from(text);
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? '';
    if (character === '*') segments.push([]);
    else if (character === '?') segments.at(-1)?.push(undefined);
    else if (character === '\\') {
      const quoted = characters[++i];
      if (quoted === undefined || !'*?\\}/'.includes(quoted)) return undefined;
      segments.at(-1)?.push(quoted);
    } else segments.at(-1)?.push(character);
  }
  return segments;
}

/** `value` without the shortest or longest prefix that matches. */
export function trimPrefix(value: string, pattern: ShellPattern, longest: boolean): string {
  const characters = Array.from(value);
  const end = matchFrom(characters, 0, pattern, longest);
  return end === undefined ? value : characters.slice(end).join('');
}

/** `value` without the shortest or longest suffix that matches. */
export function trimSuffix(value: string, pattern: ShellPattern, longest: boolean): string {
  // The prefix of the mirror image.
  const characters = Array.from(value).toReversed();
  const mirrored = pattern.map((segment) => segment.toReversed()).toReversed();
  const end = matchFrom(characters, 0, mirrored, longest);
  return end === undefined ? value : characters.slice(end).toReversed().join('');
}

/**
 * `value` with the first match, or all, replaced by `replacement` as it is; the longest match at each place. Undefined when the result
 * would be longer than `maxLength`.
 */
export function replacePattern(
  value: string,
  pattern: ShellPattern,
  replacement: string,
  options: { readonly all: boolean; readonly maxLength: number },
): string | undefined {
  const characters = Array.from(value);
  let out = '';
  let position = 0;
  let matchedTo = -1;
  while (position <= characters.length) {
    const match = findMatch(characters, position, pattern);
    if (match === undefined) break;
    const [start, end] = match;
    out += characters.slice(position, start).join('');
    // An empty match directly after a match is none.
    if (end > start || start !== matchedTo) out += replacement;
    if (out.length > options.maxLength) return undefined;
    position = end;
    matchedTo = end;
    if (end === start) out += characters[position++] ?? '';
    if (!options.all) break;
  }
  return out + characters.slice(position).join('');
}

/** The leftmost match at or after `from`. */
function findMatch(characters: readonly string[], from: number, pattern: ShellPattern): [number, number] | undefined {
  const [first = []] = pattern;
  const start = findSegment(characters, from, first);
  if (start === undefined) return undefined;
  // What does not follow the leftmost occurrence of the first segment follows no later one.
  const end = matchFrom(characters, start, pattern, true);
  return end === undefined ? undefined : [start, end];
}

/** Where the shortest or longest match that begins at `start` ends. */
function matchFrom(
  characters: readonly string[],
  start: number,
  pattern: ShellPattern,
  longest: boolean,
): number | undefined {
  const [first = [], ...rest] = pattern;
  if (!segmentAt(characters, start, first)) return undefined;
  let position = start + first.length;
  for (const [index, segment] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const found =
      isLast && longest ? findLastSegment(characters, position, segment) : findSegment(characters, position, segment);
    if (found === undefined) return undefined;
    position = found + segment.length;
  }
  return position;
}

function segmentAt(characters: readonly string[], at: number, segment: Segment): boolean {
  if (at + segment.length > characters.length) return false;
  return segment.every((token, i) => token === undefined || token === characters[at + i]);
}

function findSegment(characters: readonly string[], from: number, segment: Segment): number | undefined {
  for (let at = from; at + segment.length <= characters.length; at++) if (segmentAt(characters, at, segment)) return at;
  return undefined;
}

function findLastSegment(characters: readonly string[], from: number, segment: Segment): number | undefined {
  for (let at = characters.length - segment.length; at >= from; at--) if (segmentAt(characters, at, segment)) return at;
  return undefined;
}
