/** Files of `--env-file`, as Docker reads them: no quotes, no expansion. */
import { isUtf8 } from 'node:buffer';
import { BuildError } from '../core/errors.ts';
import type { Environment } from './types.ts';

/** `KEY=value` of each line. Blank lines and those starting with `#` are skipped; a key alone takes `env`'s value or is left out. */
export function readEnvFile(name: string, bytes: Uint8Array, env: Environment): string[] {
  if (!isUtf8(bytes)) throw new BuildError('usage', `Cannot read the environment file "${name}": it is not UTF-8`);
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  const out: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '').trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const key = equals < 0 ? line.trimEnd() : line.slice(0, equals);
    const where = `line ${index + 1} of "${name}"`;
    if (key === '') throw new BuildError('usage', `Cannot use ${where}: there is no variable before "="`);
    if (/\s/.test(key))
      throw new BuildError('usage', `Cannot use ${where}: the variable "${key}" contains white space`);
    if (equals >= 0) out.push(line);
    else if (env[key] !== undefined) out.push(`${key}=${env[key]}`);
  }
  return out;
}
