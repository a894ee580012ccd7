/** `--ssh default|ID[=SOCKET|KEY[,KEY]]`. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../core/errors.ts';
import type { SshAgentInput } from '../engine/types.ts';
import type { Environment } from './types.ts';

const DEFAULT_ID = 'default';

/** Agents by id; an id alone is the agent of $SSH_AUTH_SOCK, and no id is the default one. Throws `usage`. */
export function sshAgents(items: readonly string[], env: Environment, cwd: string): Map<string, SshAgentInput> {
  const agents = new Map<string, SshAgentInput>();
  for (const item of items) {
    const equals = item.indexOf('=');
    const id = (equals < 0 ? item : item.slice(0, equals)) || DEFAULT_ID;
    if (agents.has(id)) throw badAgent(item, `"${id}" is given twice`);
    const paths = equals < 0 ? [''] : item.slice(equals + 1).split(',');
    agents.set(id, paths.length === 1 && paths[0] === '' ? ownAgent(item, env, cwd) : agentAt(item, paths, cwd));
  }
  return agents;
}

function ownAgent(item: string, env: Environment, cwd: string): SshAgentInput {
  const path = env['SSH_AUTH_SOCK'];
  if (path === undefined || path === '') {
    throw badAgent(
      item,
      'SSH_AUTH_SOCK is not set',
      `start an agent with: eval "$(ssh-agent)" && ssh-add, or pass a key: --ssh ${item.replace(/=$/, '') || DEFAULT_ID}=FILE`,
    );
  }
  return agentAt(item, [path], cwd);
}

/** One socket, or files of keys. */
function agentAt(item: string, paths: readonly string[], cwd: string): SshAgentInput {
  const found = paths.map((path) => ({ path: resolve(cwd, path), kind: kindOf(item, path, cwd) }));
  const [socket, ...more] = found.filter(({ kind }) => kind === 'socket');
  if (socket === undefined) return { kind: 'keys', paths: found.map(({ path }) => path) };
  if (more.length > 0) throw badAgent(item, 'it names more than one socket', 'give each agent an ID of its own');
  if (found.length > 1) throw badAgent(item, 'it names a socket and keys', 'give the keys an ID of their own');
  return { kind: 'socket', path: socket.path };
}

/** A key may also come through a pipe. */
function kindOf(item: string, path: string, cwd: string): 'socket' | 'key' {
  if (path === '') throw badAgent(item, 'one of its paths is empty');
  const found = statSync(resolve(cwd, path), { throwIfNoEntry: false });
  if (found === undefined) throw badAgent(item, `there is neither a socket nor a key at "${path}"`);
  if (found.isDirectory()) throw badAgent(item, `"${path}" is a directory`);
  return found.isSocket() ? 'socket' : 'key';
}

function badAgent(item: string, why: string, hint?: string): BuildError {
  return new BuildError('usage', `Cannot use "${item}" for "--ssh": ${why}`, hint === undefined ? {} : { hint });
}
