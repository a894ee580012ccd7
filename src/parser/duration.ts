/** Durations as Go writes them: `1h2m3.5s`, `500ms`, `0`. */

const UNITS_NS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
]);

/** The largest signed 64-bit number. */
const MAX_NS = 2 ** 63;

/** Whole nanoseconds, negative ones included, or `undefined` if `text` is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, sign = '', rest = ''] = /^([-+]?)([^]*)$/.exec(text) ?? [];
  if (rest === '0') return 0;
  const part = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([a-zµμ]+)/y;
  let total = 0;
  let offset = 0;
  while (offset < rest.length) {
    part.lastIndex = offset;
    const [match, number = '', unit = ''] = part.exec(rest) ?? [];
    const factor = UNITS_NS.get(unit);
    if (match === undefined || factor === undefined) return undefined;
    total += Number(number) * factor;
    offset += match.length;
  }
  if (offset === 0 || total >= MAX_NS) return undefined;
  return sign === '-' ? -Math.trunc(total) : Math.trunc(total);
}
