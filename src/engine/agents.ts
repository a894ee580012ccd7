/** The SSH agents of a build. Files of keys are read once when it begins, and what is wrong with them is told before anything is built. */
import { open } from 'node:fs/promises';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import type { AgentKey, SshAgent } from '../executor/types.ts';
import type { SshAgentInput } from './types.ts';

/** As with BuildKit. */
const MAX_KEY_BYTES = 100 << 10;

/** Throws `source-not-found` for a file that cannot be read, `unsupported` and `usage` for one without a key that can be used. */
export async function openAgents(
  inputs: ReadonlyMap<string, SshAgentInput> | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, SshAgent>> {
  const agents = new Map<string, SshAgent>();
  for (const [id, input] of inputs ?? []) {
    agents.set(id, input.kind === 'socket' ? input : { kind: 'keys', keys: await readKeys(input.paths, signal) });
  }
  return agents;
}

async function readKeys(paths: readonly string[], signal: AbortSignal): Promise<AgentKey[]> {
  const { parsePrivateKey } = await import('../executor/agent-keys.ts');
  const keys: AgentKey[] = [];
  for (const path of paths) {
    throwIfAborted(signal);
    keys.push(parsePrivateKey(await readKeyFile(path, signal), path));
  }
  return keys;
}

async function readKeyFile(path: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const chunks: Buffer[] = [];
    for await (const chunk of file.createReadStream({ end: MAX_KEY_BYTES - 1, signal, autoClose: false })) {
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throwIfAborted(signal);
    const reason = UNREADABLE[errnoOf(error) ?? ''];
    if (reason === undefined) throw error;
    throw new BuildError('source-not-found', `Cannot read the key "${path}": ${reason}`, { cause: error });
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};
