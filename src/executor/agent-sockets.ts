/**
 * SSH agents for commands: a socket of the build's own, behind which is the client's agent or keys that it has named.
 *
 * The mode and the owner that a mount asks for are the socket's, and the client's is neither changed nor mounted. A command reaches the
 * agent only as long as it runs.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveTo } from '../core/give.ts';
import { BuildError, errnoOf } from '../core/errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import { answerWith, readMessages, serveAgent, writeMessage } from './agent-protocol.ts';
import type { SshAgent } from './types.ts';

export interface AgentSocketOptions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Where the socket's directory is made; default: the directory for temporary files. */
  readonly parent?: string;
}

export interface AgentSocket extends AsyncDisposable {
  /** Host path of the socket, for mounts. */
  readonly path: string;
  /** Another path of it for processes of the same user, which is short enough to connect to wherever temporary files are. */
  readonly address: string;
}

const DIRECTORY = /^tsbuild-agent-[0-9a-f]+(?:\.\w+){4}$/;
const SOCKET = 'socket';

/** Opens a socket before `agent`; throws `source-not-found` if the client's agent does not listen. */
export async function openAgentSocket(
  id: string,
  agent: SshAgent,
  { mode, uid, gid, parent = tmpdir() }: AgentSocketOptions,
): Promise<AgentSocket> {
  if (agent.kind === 'socket') await requireAgent(id, agent.path);
  const dir = makeDirectory(parent);
  const path = join(dir, SOCKET);
  // Through the descriptor, since the address of a socket has but 107 bytes.
  const handle = await open(dir);
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    track(client, connections);
    // Whatever goes wrong ends this connection alone.
    serve(client, agent, connections).catch(() => client.destroy());
  });
  const close = async (): Promise<void> => {
    for (const socket of connections) socket.destroy();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
    await handle.close();
    removeDirectory(dir);
  };
  try {
    await listening(server, `/proc/self/fd/${handle.fd}/${SOCKET}`);
    giveTo(path, uid, gid);
    chmodSync(path, mode);
  } catch (error) {
    await close();
    throw error;
  }
  return { path, address: `/proc/${process.pid}/fd/${handle.fd}/${SOCKET}`, [Symbol.asyncDispose]: close };
}

async function serve(client: Socket, agent: SshAgent, connections: Set<Socket>): Promise<void> {
  if (agent.kind === 'keys') return serveAgent(client, answerWith(agent.keys));
  const upstream = connect({ path: agent.path });
  track(upstream, connections);
  // One side gone means that the other has nobody to talk to.
  client.once('close', () => upstream.destroy());
  upstream.once('close', () => client.destroy());
  await once(upstream, 'connect');
  const replies = readMessages(upstream);
  await serveAgent(client, async (message) => {
    await writeMessage(upstream, message);
    const { value } = await replies.next();
    if (value === undefined) throw new Error('the agent does not answer');
    return value;
  });
  // The upstream's end would cut off what is still being sent.
  await once(client, 'close');
}

function track(socket: Socket, connections: Set<Socket>): void {
  connections.add(socket);
  socket.once('close', () => connections.delete(socket));
  // Told by `close`, or by who reads.
  socket.on('error', () => {});
}

/** One that nobody else gets into. Those of builds that were killed are removed on the way. */
function makeDirectory(parent: string): string {
  const self = currentOwner();
  for (const name of readdirSync(parent)) {
    if (DIRECTORY.test(name) && isAbandoned(name, self)) removeAbandoned(join(parent, name));
  }
  const dir = join(parent, ownedName(`tsbuild-agent-${randomBytes(6).toString('hex')}`, self));
  mkdirSync(dir, { mode: 0o700 });
  return dir;
}

/** Others can make directories of any name here. Theirs stay, and in ours they can change nothing. */
function removeAbandoned(dir: string): void {
  const found = lstatSync(dir, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true || found.uid !== process.geteuid?.() || (found.mode & 0o077) !== 0) return;
  removeDirectory(dir);
}

function removeDirectory(dir: string): void {
  rmSync(join(dir, SOCKET), { force: true });
  try {
    rmdirSync(dir);
  } catch (error) {
    // Another build was faster; or there is something in it that is not ours.
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ENOTEMPTY') throw error;
  }
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
