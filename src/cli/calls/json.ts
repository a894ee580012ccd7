/** Parts that the JSON of all calls has in common, with Docker's field names. */
import { withoutPasswords } from '../../core/redact.ts';
import type { SourceFile, SourceRange } from '../../core/source.ts';

export interface JsonLocation {
  readonly ranges: readonly { readonly start: { readonly line: number }; readonly end: { readonly line: number } }[];
}

/** As Docker has it: a range for each line. */
export function jsonLocation({ start, end }: SourceRange): JsonLocation {
  const count = Math.max(1, end.line - start.line + 1);
  return {
    ranges: Array.from({ length: count }, (_, index) => {
      const line = start.line + index;
      return { start: { line }, end: { line } };
    }),
  };
}

export function base64Text(file: SourceFile): string {
  return Buffer.from(withoutPasswords(file.text)).toString('base64');
}

export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
