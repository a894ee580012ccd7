/** `--ssh default|ID[=SOCKET]`. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../core/errors.ts';
import { csvFields } from './csv.ts';
import type { Environment } from './types.ts';

/** Paths of agents' sockets by id; an id alone is the agent of $SSH_AUTH_SOCK. Throws `usage`, and `unsupported` for key files. */
export function sshAgents(items: readonly string[], env: Environment, cwd: string): Map<string, string> {
  const agents = new Map<string, string>();
  for (const item of items) {
    const equals = item.indexOf('=');
    const id = equals < 0 ? item : item.slice(0, equals);
    if (id === '') throw badAgent(item, 'it has no ID', 'want --ssh default or --ssh ID=SOCKET');
    if (agents.has(id)) throw badAgent(item, `"${id}" is given twice`);
    const [path, ...more] = equals < 0 ? [] : csvFields('--ssh', item.slice(equals + 1));
    if (more.length > 0) throw keyFiles(item);
    agents.set(id, path === undefined || path === '' ? ownAgent(item, env, cwd) : socketAt(item, resolve(cwd, path)));
  }
  return agents;
}

function ownAgent(item: string, env: Environment, cwd: string): string {
  const path = env['SSH_AUTH_SOCK'];
  if (path === undefined || path === '') {
    throw badAgent(item, 'SSH_AUTH_SOCK is not set', 'start an agent with: eval "$(ssh-agent)"');
  }
  return socketAt(item, resolve(cwd, path));
}

function socketAt(item: string, path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw badAgent(item, `there is no socket "${path}"`);
  if (found.isSocket()) return path;
  if (found.isFile()) throw keyFiles(item);
  throw badAgent(item, `"${path}" is not a socket`);
}

function keyFiles(item: string): BuildError {
  return new BuildError('unsupported', `Cannot use "${item}" for "--ssh": key files are not supported`, {
    hint: 'load the key into an agent: eval "$(ssh-agent)" && ssh-add FILE, then --ssh default',
  });
}

function badAgent(item: string, why: string, hint?: string): BuildError {
  return new BuildError('usage', `Cannot use "${item}" for "--ssh": ${why}`, hint === undefined ? {} : { hint });
}
