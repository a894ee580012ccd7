/** `KEY[=VALUE]` arguments. */
import { BuildError } from '../core/errors.ts';
import type { Environment } from './types.ts';

/**
 * Environment-like values in the order given, a later one in the place of an earlier one. A key without a value takes the
 * client's; when the client has none either, it is left out. Throws `usage` for an empty key.
 */
export function keyValues(flag: string, items: readonly string[], env: Environment): Map<string, string> {
  const values = new Map<string, string>();
  for (const item of items) {
    const { key, value = env[key] } = splitKeyValue(flag, item);
    values.delete(key);
    if (value !== undefined) values.set(key, value);
  }
  return values;
}

/** As `keyValues`, but a key alone has the empty value. */
export function labels(flag: string, items: readonly string[]): Map<string, string> {
  return new Map(items.map((item) => splitKeyValue(flag, item)).map(({ key, value = '' }) => [key, value]));
}

function splitKeyValue(flag: string, item: string): { readonly key: string; readonly value?: string } {
  const equals = item.indexOf('=');
  const key = equals < 0 ? item : item.slice(0, equals);
  if (key.trim() === '') throw new BuildError('usage', `Cannot use "${item}" for "${flag}": want KEY=VALUE`);
  return equals < 0 ? { key } : { key, value: item.slice(equals + 1) };
}
