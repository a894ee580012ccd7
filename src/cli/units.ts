/** Sizes and times as Docker prints them (docker/go-units). */

const SIZE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];

/** Decimal units with `digits` significant digits at most: `1.24MB`. Docker's tables use 3, its totals 4. */
export function humanSize(bytes: number, digits = 3): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < SIZE_UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${significant(size, digits)}${SIZE_UNITS[unit]}`;
}

/** C's `%.<digits>g`: no trailing zeros, and an exponent only where the number does not fit. */
function significant(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  if (!text.includes('e')) return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  const [mantissa = '', exponent = ''] = text.split('e');
  const sign = exponent.startsWith('-') ? '-' : '+';
  return `${mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa}e${sign}${exponent.slice(1).padStart(2, '0')}`;
}

/** `About a minute`, `3 days`. */
export function humanDuration(ms: number): string {
  const secondsTotal = Math.floor(ms / 1000);
  if (secondsTotal < 1) return 'Less than a second';
  if (secondsTotal === 1) return '1 second';
  if (secondsTotal < 60) return `${secondsTotal} seconds`;
  const minutes = Math.floor(secondsTotal / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(minutes / 60 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(ms / 3_600_000 / 24 / 365)} years`;
}

/** `3 days ago`, or `N/A` for an image without a date. */
export function timeAgo(thenMs: number | undefined, nowMs: number): string {
  return thenMs === undefined || Number.isNaN(thenMs) ? 'N/A' : `${humanDuration(Math.max(0, nowMs - thenMs))} ago`;
}
