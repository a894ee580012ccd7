/** Tables of text as Docker prints them: columns as wide as their widest cell, three spaces between them. */
import { padEnd, textWidth } from './progress/width.ts';

const GAP = 3;
const MIN_WIDTH = 10;

/** Rows of equal length, the header first; the result ends with a line break. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(MIN_WIDTH, ...rows.map((row) => textWidth(row[column] ?? '') + GAP)),
  );
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : padEnd(cell, widths[column] ?? 0))).join(''),
  );
  return `${lines.join('\n')}\n`;
}

/** At most `length` characters, the last one an ellipsis if something is missing. */
export function ellipsis(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

/** 12 hex digits of an ID with or without its algorithm. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
