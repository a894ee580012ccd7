/** Columns as Go's tabwriter makes them: each as wide as its widest cell, the last one as it is. */

/** `gap` spaces between columns; ends with a line feed. */
export function columns(rows: readonly (readonly string[])[], gap: number): string {
  const count = Math.max(...rows.map((row) => row.length)) - 1;
  const widths = Array.from({ length: count }, (_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)) + gap);
  return rows.map((row) => `${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('')}\n`).join('');
}
