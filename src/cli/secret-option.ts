/** `--secret id=ID[,src=FILE|env=NAME][,type=file|env]`. */
import { resolve } from 'node:path';
import { BuildError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import type { SecretInput } from '../engine/types.ts';
import { csvPairs } from './csv.ts';
import type { Environment } from './types.ts';

const KEYS = ['id', 'src', 'source', 'env', 'type'];

/**
 * Secrets by id, a later one in the place of an earlier one. Without file and variable, a secret is the variable of its name, or else
 * the file of its name. As in Docker, a variable that is not set is an empty secret. Throws `usage`.
 */
export function secretInputs(items: readonly string[], env: Environment, cwd: string): Map<string, SecretInput> {
  const secrets = new Map<string, SecretInput>();
  for (const item of items) {
    const { id, file, variable } = readSecret(item);
    if (variable !== undefined) secrets.set(id, { kind: 'value', value: Buffer.from(env[variable] ?? '') });
    else if (file === undefined && env[id] !== undefined) {
      secrets.set(id, { kind: 'value', value: Buffer.from(env[id]) });
    } else secrets.set(id, { kind: 'file', path: resolve(cwd, file ?? id) });
  }
  return secrets;
}

interface SecretOption {
  readonly id: string;
  readonly file?: string;
  readonly variable?: string;
}

function readSecret(item: string): SecretOption {
  const values = new Map<string, string>();
  for (const { key: written, value } of csvPairs('--secret', item)) {
    const key = written.toLowerCase();
    if (!KEYS.includes(key)) throw unknownKey(item, written);
    if (value === undefined) throw badSecret(item, `"${written}" needs a value`);
    values.set(key === 'source' ? 'src' : key, value);
  }
  const [id, type] = [values.get('id') ?? '', values.get('type') ?? ''];
  let [file = '', variable = ''] = [values.get('src'), values.get('env')];
  if (id === '') throw badSecret(item, 'it has no "id"');
  if (!['', 'file', 'env'].includes(type))
    throw badSecret(item, `"${type}" is no type of secret: want "file" or "env"`);
  if (type === 'env' && variable === '') [file, variable] = ['', file];
  // As in Docker, a variable comes before a file, whatever the type.
  if (variable !== '') file = '';
  return { id, ...(file !== '' && { file }), ...(variable !== '' && { variable }) };
}

function badSecret(item: string, why: string): BuildError {
  return new BuildError('usage', `Cannot use "${item}" for "--secret": ${why}`, {
    hint: 'want id=NAME,src=FILE or id=NAME,env=VARIABLE',
  });
}

function unknownKey(item: string, key: string): BuildError {
  const near = suggest(key.toLowerCase(), KEYS);
  return new BuildError('usage', `Cannot use "${item}" for "--secret": unknown key "${key}"`, {
    hint: near === undefined ? 'want id=NAME,src=FILE or id=NAME,env=VARIABLE' : `did you mean "${near}"?`,
  });
}
