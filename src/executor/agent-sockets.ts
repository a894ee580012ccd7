/**
 * SSH agents for commands: a socket of the build's own that hands every connection on to the client's agent.
 *
 * The mode and the owner that a mount asks for are the socket's, and the client's is neither changed nor mounted. A command reaches the
 * agent only as long as it runs.
 */
import { chmodSync, chownSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError } from '../core/errors.ts';

export interface AgentSocketOptions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface AgentSocket extends AsyncDisposable {
  /** Host path of the socket. */
  readonly path: string;
}

/** Opens a socket before `agent`, the path of the client's; throws `source-not-found` if no agent listens there. */
export async function openAgentSocket(
  id: string,
  agent: string,
  { mode, uid, gid }: AgentSocketOptions,
): Promise<AgentSocket> {
  await requireAgent(id, agent);
  // Nobody else gets as far as the socket.
  const dir = await mkdtemp(join(tmpdir(), 'tsbuild-agent-'));
  const path = join(dir, 'socket');
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ path: agent, allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
      // One side gone means that the other has nobody to talk to.
      socket.on('error', () => {});
    }
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    client.pipe(upstream);
    upstream.pipe(client);
  });
  const close = async (): Promise<void> => {
    for (const socket of connections) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await listening(server, path);
    chownSync(path, uid, gid);
    chmodSync(path, mode);
  } catch (error) {
    await close();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: close };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A stale path would only show as a failure of whatever the command runs. */
function requireAgent(id: string, agent: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const isThere = statSync(agent, { throwIfNoEntry: false })?.isSocket() === true;
    const missing = (cause?: unknown): BuildError =>
      new BuildError('source-not-found', `Cannot reach the SSH agent "${id}" at "${agent}": nothing listens there`, {
        hint: 'start an agent and pass its socket with --ssh',
        cause,
      });
    if (!isThere) {
      reject(missing());
      return;
    }
    const probe = connect({ path: agent }, () => {
      probe.destroy();
      resolve();
    });
    probe.once('error', (error) => reject(missing(error)));
  });
}
