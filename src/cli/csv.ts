/** Values such as `id=token,src=FILE`: one record of CSV (RFC 4180), so a value with a comma can be quoted. */
import { BuildError } from '../core/errors.ts';

/** The fields of `text`; throws `usage` where quotes do not match. */
export function csvFields(flag: string, text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      const field = text.slice(at, end);
      if (field.includes('"')) throw badQuotes(flag, text);
      fields.push(field);
      at = end + 1;
      continue;
    }
    const match = /^"((?:[^"]|"")*)"(?=,|$)/.exec(text.slice(at));
    if (match === null) throw badQuotes(flag, text);
    fields.push((match[1] ?? '').replaceAll('""', '"'));
    at += match[0].length + 1;
  }
  return fields;
}

/** The fields as pairs, in order; a field without `=` has no value. */
export function csvPairs(flag: string, text: string): { readonly key: string; readonly value?: string }[] {
  return csvFields(flag, text).map((field) => {
    const equals = field.indexOf('=');
    return equals < 0 ? { key: field } : { key: field.slice(0, equals), value: field.slice(equals + 1) };
  });
}

function badQuotes(flag: string, text: string): BuildError {
  return new BuildError('usage', `Cannot use '${text}' for "${flag}": a quote is where none can be`, {
    hint: 'quote a whole field: "src=a,b"',
  });
}
