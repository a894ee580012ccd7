/** Typed trees as text that people can read and compare. */
import type { SourceRange } from '../../src/core/source.ts';
import type { Dockerfile } from '../../src/parser/types.ts';

const WIDTH = 110;

/** JSON with `file` left out, ranges as `line:column-line:column`, and what fits on a line on one line. */
export function printTree(tree: Omit<Dockerfile, 'file'>): string {
  return `${print(JSON.parse(JSON.stringify(tree, shorten)), '')}\n`;
}

function shorten(key: string, value: unknown): unknown {
  if (key === 'file') return undefined;
  return isRange(value) ? `${place(value.start)}-${place(value.end)}` : value;
}

function isRange(value: unknown): value is SourceRange {
  return typeof value === 'object' && value !== null && 'start' in value && 'end' in value;
}

function place({ line, column }: SourceRange['start']): string {
  return `${line}:${column}`;
}

function print(value: unknown, indent: string): string {
  const flat = printFlat(value);
  if (indent !== '' && flat.length <= WIDTH) return flat;
  if (typeof value !== 'object' || value === null) return flat;
  const deeper = `${indent}  `;
  const isArray = Array.isArray(value);
  const members = Object.entries(value).map(
    ([key, member]) => `${isArray ? '' : `${JSON.stringify(key)}: `}${print(member, deeper)}`,
  );
  const [open, close] = isArray ? '[]' : '{}';
  return members.length === 0 ? flat : `${open}\n${deeper}${members.join(`,\n${deeper}`)}\n${indent}${close}`;
}

function printFlat(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printFlat).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${printFlat(member)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
