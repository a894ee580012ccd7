/** The part of an image config that says how containers are run. */
import type { ContainerConfig, HealthConfig } from './types.ts';
import type { Field } from './json-check.ts';
import { booleanOf, integerOf, mapOf, optional, stringOf, stringsOf } from './json-check.ts';

/** Checks and copies the known fields; `null` counts as absent, as Go writes it for what is empty. */
export function containerConfigOf(field: Field): ContainerConfig {
  const text = <K extends string>(name: K): Partial<Record<K, string>> => one(field, name, stringOf);
  const list = <K extends string>(name: K): Partial<Record<K, string[]>> => one(field, name, (item) => stringsOf(item));
  const names = <K extends string>(name: K): Partial<Record<K, Record<string, Record<string, never>>>> =>
    one(field, name, (item) => mapOf(item, emptyObject));
  return {
    ...text('User'),
    ...names('ExposedPorts'),
    ...list('Env'),
    ...list('Entrypoint'),
    ...list('Cmd'),
    ...names('Volumes'),
    ...text('WorkingDir'),
    ...one(field, 'Labels', (item) => mapOf(item, (label) => stringOf(label))),
    ...text('StopSignal'),
    ...one(field, 'ArgsEscaped', booleanOf),
    ...one(field, 'Healthcheck', healthOf),
    ...list('OnBuild'),
    ...list('Shell'),
  };
}

function healthOf(field: Field): HealthConfig {
  const number = <K extends string>(name: K): Partial<Record<K, number>> => one(field, name, integerOf);
  return {
    ...one(field, 'Test', (item) => stringsOf(item)),
    ...number('Interval'),
    ...number('Timeout'),
    ...number('StartPeriod'),
    ...number('StartInterval'),
    ...number('Retries'),
  };
}

/** `{name: value}`, or nothing when the field is absent. */
function one<K extends string, T>(parent: Field, name: K, check: (field: Field) => T): Partial<Record<K, T>> {
  const field = optional(parent, name);
  return field === undefined ? {} : ({ [name]: check(field) } as Partial<Record<K, T>>);
}

/** Whatever stands there: only the key has a meaning. */
function emptyObject(): Record<string, never> {
  return {};
}
