/** The value of `RUN --mount`: comma-separated options in the manner of CSV. */
import type { MountFlag, Word } from './types.ts';

import { invalidMountList, mountKeyWithoutValue, unknownMountKey, unknownMountType, variableInFrom } from './errors.ts';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];

/** Keys that mean something on their own. */
const SWITCHES: ReadonlySet<string> = new Set(['readonly', 'ro', 'readwrite', 'rw', 'required']);

const KEYS: readonly string[] =
  'type from source src target dst destination readonly ro readwrite rw id sharing required size mode uid gid env'.split(
    ' ',
  );

/** Checks what can be known before variables are expanded: the form, the keys, a literal type, a fixed `from`. */
export function parseMount(flag: Word): MountFlag {
  const fields = splitCsv(flag.text);
  if (fields === undefined) throw invalidMountList(flag.text, flag.range);
  const options: { key: string; value?: string }[] = [];
  for (const field of fields) {
    const equals = field.indexOf('=');
    const key = (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
    if (!KEYS.includes(key)) throw unknownMountKey(key, KEYS, flag.range);
    if (equals === -1) {
      if (!SWITCHES.has(key)) throw mountKeyWithoutValue(key, flag.range);
      options.push({ key });
      continue;
    }
    const value = field.slice(equals + 1);
    if (key === 'type' && !value.includes('$') && !TYPES.includes(value.toLowerCase()))
      throw unknownMountType(value, TYPES, flag.range);
    if (key === 'from' && /\$./.test(value)) throw variableInFrom('from', value, flag.range);
    options.push({ key, value });
  }
  return { range: flag.range, options };
}

/** The fields of one CSV record, or `undefined` if quotes are out of place. */
function splitCsv(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',');
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  while (field.lastIndex <= text.length) {
    const match = field.exec(text);
    if (match === null) return undefined;
    const [, quoted, plain = '', separator] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (separator === '') return fields;
  }
  return undefined;
}
