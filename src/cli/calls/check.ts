/** How findings of `--check` are printed. */
import type { SourceFile } from '../../core/source.ts';
import type { CheckReport } from '../../engine/types.ts';
import { printableText } from '../progress/log-lines.ts';
import { excerpt } from './excerpt.ts';
import { base64Text, formatJson, jsonLocation } from './json.ts';

/** In the order of the file, as `docker build --check` prints them. */
export function checkText({ findings, error }: CheckReport): string {
  if (findings.length === 0) return error === undefined ? 'Check complete, no warnings found.\n' : '';
  const sorted = findings.toSorted((a, b) => a.range.start.line - b.range.start.line);
  const count = findings.length === 1 ? '1 warning has been found!' : `${findings.length} warnings have been found!`;
  const blocks = sorted.map(({ rule, url, message, range }) => {
    const title = url === undefined ? rule : `${rule} - ${url}`;
    return `\nWARNING: ${title}\n${printableText(message)}\n${excerpt(range)}`;
  });
  return `Check complete, ${count}\n${blocks.join('')}`;
}

/** The fields of Docker's result, without the definition of a step, as there is no such step. */
export function checkJson({ file, findings, error }: CheckReport): string {
  const [place] = error?.locations ?? [];
  return formatJson({
    warnings: findings.map(({ rule, description, url, message, range }) => ({
      ruleName: rule,
      description,
      ...(url !== undefined && { url }),
      detail: message,
      location: jsonLocation(range),
    })),
    sources: [source(file)],
    ...(error !== undefined && {
      buildError: { message: error.message, ...(place !== undefined && { location: jsonLocation(place) }) },
    }),
  });
}

function source(file: SourceFile): Readonly<Record<string, string>> {
  return { filename: file.name, data: base64Text(file), language: 'Dockerfile' };
}
