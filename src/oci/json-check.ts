/** Small checkers for JSON from outside: each takes a value and its place in the document, and names the place when it fails. */
import type { Digest } from '../core/digest.ts';
import { isDigest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';

/** A value with its place, such as `config.rootfs.diff_ids[2]`. */
export interface Field {
  readonly value: unknown;
  readonly path: string;
}

const MAX_SHOWN = 80;

export function invalidField(field: Field, want: string): BuildError {
  return new BuildError('invalid-manifest', `Cannot use ${field.path}: want ${want}, got ${show(field.value)}`);
}

/** Parses a JSON object; `what` names the document in errors. */
export function parseJsonObject(bytes: Uint8Array, what: string): Field {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BuildError('invalid-manifest', `Cannot parse ${what}: it is not JSON`, { cause: error });
  }
  const field = { value, path: what };
  recordOf(field);
  return field;
}

/** The field `name` of an object; Go writes an empty value as `null`, which counts as absent. */
export function optional(parent: Field, name: string): Field | undefined {
  const object = recordOf(parent);
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  return value === undefined || value === null ? undefined : { value, path: `${parent.path}.${name}` };
}

export function required(parent: Field, name: string): Field {
  return optional(parent, name) ?? fail({ value: undefined, path: `${parent.path}.${name}` }, 'a value');
}

export function stringOf(field: Field, maxLength = 1 << 20): string {
  if (typeof field.value !== 'string') return fail(field, 'a string');
  if (field.value.length > maxLength) return fail(field, `at most ${maxLength} characters`);
  return field.value;
}

export function booleanOf(field: Field): boolean {
  return typeof field.value === 'boolean' ? field.value : fail(field, 'true or false');
}

/** A whole number from 0 up to 2^53 - 1. */
export function countOf(field: Field): number {
  const { value } = field;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fail(field, 'a whole number');
}

/** A whole number of any sign, however large. */
export function integerOf(field: Field): number {
  const { value } = field;
  return typeof value === 'number' && Number.isInteger(value) ? value : fail(field, 'a whole number');
}

export function digestOfField(field: Field): Digest {
  const text = stringOf(field);
  return isDigest(text) ? text : fail(field, '"sha256:" and 64 lower-case hex digits');
}

export function listOf<T>(field: Field, maxLength: number, element: (field: Field) => T): T[] {
  const { value, path } = field;
  if (!Array.isArray(value)) return fail(field, 'a list');
  if (value.length > maxLength) {
    throw new BuildError(
      'limit-exceeded',
      `Cannot use ${path}: it has ${value.length} elements, more than ${maxLength}`,
    );
  }
  return value.map((item: unknown, index) => element({ value: item, path: `${path}[${index}]` }));
}

export function stringsOf(field: Field, maxLength = 10_000): string[] {
  return listOf(field, maxLength, (item) => stringOf(item));
}

export function mapOf<T>(field: Field, element: (field: Field) => T, maxEntries = 10_000): Record<string, T> {
  const entries = Object.entries(recordOf(field));
  if (entries.length > maxEntries) {
    throw new BuildError(
      'limit-exceeded',
      `Cannot use ${field.path}: it has ${entries.length} entries, more than ${maxEntries}`,
    );
  }
  return Object.fromEntries(
    entries.map(([name, value]) => [name, element({ value, path: `${field.path}[${JSON.stringify(name)}]` })]),
  );
}

function recordOf(field: Field): Readonly<Record<string, unknown>> {
  const { value } = field;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(field, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

function fail(field: Field, want: string): never {
  throw invalidField(field, want);
}

/** Short and on one line, whatever a stranger sent. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}
