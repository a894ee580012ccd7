/** The value of `RUN --mount`: comma-separated options in the manner of CSV. */
import type { SourceRange } from '../core/source.ts';
import type { MountFlag, MountOption, Word } from './types.ts';

import { invalidMountList, variableInFrom } from './errors.ts';

/** Checks the form and that `from` is fixed; as in Docker, a stage that is not built may have any other option. */
export function parseMount(flag: Word): MountFlag {
  const fields = splitCsv(flag.text);
  if (fields === undefined || flag.text === '') throw invalidMountList(flag.text, flag.range);
  const options: MountOption[] = [];
  for (const { text, offset, length } of fields) {
    const equals = text.indexOf('=');
    const key = (equals === -1 ? text : text.slice(0, equals)).toLowerCase();
    const range = rangeWithin(flag, offset, length);
    if (equals === -1) {
      options.push({ key, range });
      continue;
    }
    const value = text.slice(equals + 1);
    if (key === 'from' && /\$./.test(value)) throw variableInFrom('from', value, range);
    options.push({ key, value, range });
  }
  return { range: flag.range, options };
}

/** The place of a part of a flag's text; the whole flag where its text is not its source. */
function rangeWithin({ text, range }: Word, offset: number, length: number): SourceRange {
  const { file, start, end } = range;
  const isVerbatim = start.line === end.line && end.column - start.column === text.length;
  if (!isVerbatim || length === 0) return range;
  const column = start.column + offset;
  return { file, start: { line: start.line, column }, end: { line: start.line, column: column + length } };
}

interface Field {
  /** Without quotes. */
  readonly text: string;
  /** Where it stands in the list, quotes included. */
  readonly offset: number;
  readonly length: number;
}

/** The fields of one CSV record, or `undefined` if quotes are out of place. */
function splitCsv(text: string): Field[] | undefined {
  const fields: Field[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  while (field.lastIndex <= text.length) {
    const offset = field.lastIndex;
    const match = field.exec(text);
    if (match === null) return undefined;
    const [whole, quoted, plain = '', separator = ''] = match;
    const length = whole.length - separator.length;
    fields.push({ text: quoted === undefined ? plain : quoted.replaceAll('""', '"'), offset, length });
    if (separator === '') return fields;
  }
  return undefined;
}
