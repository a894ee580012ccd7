/** Keys, agents and servers of OpenSSH for tests. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../../src/core/errors.ts';

/** Makes a private key at `path`, and its public key beside it; `options` are those of ssh-keygen. */
export function makeKey(path: string, options: readonly string[] = ['-t', 'ed25519'], passphrase = ''): string {
  execFileSync('ssh-keygen', ['-q', '-N', passphrase, '-C', 'of a test', '-f', path, ...options]);
  return path;
}

/** The public key of `makeKey` without its comment: type and base64. */
export function publicKey(path: string): string {
  return readFileSync(`${path}.pub`, 'latin1').split(' ', 2).join(' ');
}

/** What ssh-add prints when it talks to the agent at `socket`; throws if it fails. */
export async function sshAdd(socket: string, ...args: string[]): Promise<string> {
  return program('ssh-add', args, socket);
}

/** Signs with the agent at `socket` and lets ssh-keygen check the signature; `key` is where the public key is. */
export async function signThrough(socket: string, key: string, text: string): Promise<void> {
  const file = `${key}.text`;
  writeFileSync(file, text);
  // It would ask before it writes over one.
  rmSync(`${file}.sig`, { force: true });
  await program('ssh-keygen', ['-Y', 'sign', '-f', `${key}.pub`, '-n', 'test', file], socket);
  const check = ['-Y', 'check-novalidate', '-n', 'test', '-s', `${file}.sig`];
  execFileSync('ssh-keygen', check, { input: text, stdio: ['pipe', 'ignore', 'pipe'] });
}

/** Not synchronous, since the agent may be in this process. */
async function program(name: string, args: readonly string[], socket: string): Promise<string> {
  const child = spawn(name, args, {
    env: { ...process.env, SSH_AUTH_SOCK: socket },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const text = Buffer.concat(output).toString();
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${text}`);
  return text;
}

/** ssh-agent with the keys at `paths`, in the foreground, so that it ends with its process. */
export class TestAgent implements AsyncDisposable {
  readonly socket: string;
  readonly #ended: Promise<unknown>;
  readonly #kill: () => void;

  private constructor(socket: string, ended: Promise<unknown>, kill: () => void) {
    this.socket = socket;
    this.#ended = ended;
    this.#kill = kill;
  }

  static async start(dir: string, paths: readonly string[]): Promise<TestAgent> {
    const socket = join(dir, 'ssh-agent');
    const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    const agent = new TestAgent(socket, once(child, 'close'), () => child.kill());
    // It says where it is when it listens.
    await once(child.stdout, 'data');
    for (const path of paths) await sshAdd(socket, '-q', path);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await this.#ended;
  }
}

/** A server on the loopback that lets this user in with `authorized`, a public key. */
export class SshServer implements AsyncDisposable {
  /** `ssh://user@host:port`, to be followed by an absolute path. */
  readonly url: string;
  readonly #dir: string;
  readonly #port: number;
  #stop: () => Promise<void> = async () => {};

  private constructor(dir: string, port: number) {
    this.#dir = dir;
    this.#port = port;
    this.url = `ssh://${userInfo().username}@127.0.0.1:${port}`;
  }

  /** Keeps its files in `dir`, which only this user may write. */
  static async start(dir: string, authorized: string): Promise<SshServer> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // Where sshd locks itself in before it knows who is there.
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    writeFileSync(join(dir, 'authorized_keys'), `${authorized}\n`);
    const server = new SshServer(dir, await freePort());
    await server.restart('host-key');
    return server;
  }

  /** Starts it anew with the host key of this name, which is made when missing. */
  async restart(hostKey: string): Promise<void> {
    await this.#stop();
    const key = join(this.#dir, hostKey);
    try {
      readFileSync(key);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      makeKey(key);
    }
    const config = join(this.#dir, 'config');
    const lines = [
      `ListenAddress 127.0.0.1:${this.#port}`,
      `HostKey ${key}`,
      `AuthorizedKeysFile ${join(this.#dir, 'authorized_keys')}`,
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(child, 'close');
    const messages: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => messages.push(chunk));
    this.#stop = async () => {
      child.kill();
      await ended;
    };
    while (!(await accepts(this.#port))) {
      if (child.exitCode !== null) throw new Error(`sshd ended: ${Buffer.concat(messages).toString()}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    // Not at once, so that who waits leaves the processor to the server.
    socket.once('error', () => setTimeout(() => resolve(false), 20));
  });
}
