/** "Did you mean": the nearest known word. */

export interface SuggestOptions {
  /** Default: a third of the word's length, at least 1. */
  readonly maxDistance?: number;
  readonly caseSensitive?: boolean;
}

/** The option nearest to `word` by edit distance, if it is near enough to be a slip of the finger. */
export function suggest(
  word: string,
  options: Iterable<string>,
  { maxDistance = Math.max(1, Math.floor(word.length / 3)), caseSensitive = false }: SuggestOptions = {},
): string | undefined {
  const fold = (text: string): string => (caseSensitive ? text : text.toLowerCase());
  const wanted = fold(word);
  let best: string | undefined;
  let bestDistance = maxDistance + 1;
  for (const option of options) {
    const distance = editDistance(wanted, fold(option), bestDistance);
    if (distance < bestDistance) {
      best = option;
      bestDistance = distance;
    }
  }
  return best;
}

/** Optimal string alignment distance (insert, delete, replace, swap neighbours); `limit` when it is at least that. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(last[b.length] ?? limit, limit);
}
