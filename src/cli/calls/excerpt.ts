/** The lines around a place, as Docker shows them. */
import { withoutPasswords } from '../../core/redact.ts';
import type { SourceRange } from '../../core/source.ts';
import { printableText } from '../progress/log-lines.ts';

const RULER = '-'.repeat(20);

/** `file:line` and an excerpt with the lines of `range` marked; ends with a line feed. */
export function excerpt({ file, start, end }: SourceRange): string {
  const lines = file.text.split('\n');
  const first = Math.min(start.line, lines.length);
  const last = Math.min(Math.max(end.line, first), lines.length);
  // Where one side has no lines left, the other gets more.
  const wanted = first === last ? 4 : 2;
  let [from, to] = [first, last];
  for (let shown = 0; shown < wanted; shown++) {
    if (from > 1) {
      from--;
      shown++;
    }
    if (to < lines.length) {
      to++;
      shown++;
    }
  }
  const shown = lines.slice(from - 1, to).map((text, index) => {
    const number = from + index;
    const mark = number >= first && number <= last ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${withoutPasswords(printableText(text.replace(/\r$/, '')))}`;
  });
  return [`${file.name}:${first}`, RULER, ...shown, RULER, ''].join('\n');
}
