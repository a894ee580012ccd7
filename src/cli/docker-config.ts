/** What the client's Docker configuration says about proxies: `~/.docker/config.json`, or `config.json` in $DOCKER_CONFIG. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BuildError, errnoOf } from '../core/errors.ts';
import type { Environment } from './types.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  httpProxy: 'HTTP_PROXY',
  httpsProxy: 'HTTPS_PROXY',
  noProxy: 'NO_PROXY',
  ftpProxy: 'FTP_PROXY',
  allProxy: 'ALL_PROXY',
};

/** `proxies.default` as build arguments, in both spellings. Throws `usage` for a file that makes no sense. */
export async function proxyBuildArgs(env: Environment, cwd: string): Promise<Map<string, string>> {
  const path = configPath(env, cwd);
  const text = path === undefined ? undefined : await readIfThere(path);
  const args = new Map<string, string>();
  if (path === undefined || text === undefined) return args;
  const proxies = memberOf(memberOf(parse(path, text), 'proxies', path), 'default', path);
  for (const [member, variable] of Object.entries(VARIABLES)) {
    const value = proxies?.[member];
    if (value === undefined || value === '') continue;
    if (typeof value !== 'string') throw unreadable(path, `"${member}" is not a string`);
    args.set(variable, value).set(variable.toLowerCase(), value);
  }
  return args;
}

function configPath(env: Environment, cwd: string): string | undefined {
  const { DOCKER_CONFIG: dir, HOME: home } = env;
  if (dir !== undefined && dir !== '') return resolve(cwd, dir, 'config.json');
  return home === undefined || home === '' ? undefined : resolve(cwd, home, '.docker', 'config.json');
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EACCES' || code === 'EISDIR')
      throw unreadable(path, code === 'EACCES' ? 'permission denied' : 'it is a directory');
    throw error;
  }
}

function parse(path: string, text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unreadable(path, error.message);
  }
  throw unreadable(path, 'it is not a JSON object');
}

function memberOf(
  object: Readonly<Record<string, unknown>> | undefined,
  name: string,
  path: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = object?.[name];
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw unreadable(path, `"${name}" is not an object`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(path: string, why: string): BuildError {
  return new BuildError('usage', `Cannot read Docker's configuration "${path}": ${why}`, {
    hint: 'correct the file, or name another directory with $DOCKER_CONFIG',
  });
}
