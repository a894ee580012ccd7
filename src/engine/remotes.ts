/** What a build takes from the network besides images: files by HTTP, repositories by git. Nothing is loaded before it is needed. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { takeTurn } from '../cache/turn.ts';
import { blobPath } from '../content/fs-store.ts';
import { LocalTree } from '../context/local.ts';
import { downloadTree } from '../context/download-tree.ts';
import type { GitRemote } from '../context/credentials.ts';
import type { GitSource } from '../context/git.ts';
import type { Download, HttpSource } from '../context/http.ts';
import { unreachable } from '../core/exhaustive.ts';
import { BuildError } from '../core/errors.ts';
import { withoutPassword } from '../core/redact.ts';
import type { GitUrl } from '../core/remote-url.ts';
import { parseRemoteContext, pinnedCommit } from '../core/remote-url.ts';
import type { FileTree } from '../core/tree.ts';
import type { AgentSocket } from '../executor/agent-sockets.ts';
import { keyDigest } from '../executor/keys.ts';
import type { RemoteOptions, RemoteSource, RemoteSources, SecretSource, SshAgent } from '../executor/types.ts';
import type { HttpClient } from '../registry/http.ts';
import type { GitOp, HttpOp } from '../solver/op.ts';
import type { Services } from './services.ts';
import { StorePaths } from './services.ts';

export interface RemoteContext {
  readonly tree: FileTree;
  /** What was downloaded is no archive but this text; there are no files. */
  readonly dockerfile?: string;
}

/** Where downloads are kept. */
export type RemoteStore = Pick<Services, 'root' | 'content'>;

/** The sources of one build; disposing removes what was checked out for it. */
export interface Remotes extends RemoteSources, AsyncDisposable {
  /** A file as it is now. */
  download(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** A repository, or an archive or a Dockerfile by HTTP, as a build context. */
  context(url: string, options: { readonly keepGitDir: boolean; readonly signal: AbortSignal }): Promise<RemoteContext>;
}

/** A fetch by git may take long, and others who want the same repository wait for it. */
const GIT_PATIENCE_MS = 30 * 60_000;

/** What git and ssh take from the environment of the command line; the agent is another matter. */
const GIT_ENVIRONMENT = ['PATH', 'HOME', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'GIT_SSL_CAINFO'];

/** The agent for repositories, as with BuildKit. */
const GIT_AGENT = 'default';

/** What servers may be told in the name of who builds. */
export interface RemoteSession {
  readonly secrets: ReadonlyMap<string, SecretSource>;
  readonly sshAgents: ReadonlyMap<string, SshAgent>;
}

/** Repositories by SSH are fetched with the default one of the agents, or not at all. */
export function openRemotes(services: RemoteStore, session: RemoteSession): Remotes {
  return new BuildRemotes(services, session);
}

class BuildRemotes implements Remotes {
  readonly #services: RemoteStore;
  /** Directories that last as long as the build. */
  readonly #kept: AsyncDisposable[] = [];
  #client: HttpClient | undefined;
  #http: Promise<HttpSource> | undefined;
  #git: Promise<GitSource> | undefined;
  readonly #session: RemoteSession;
  #gitAgent: Promise<AgentSocket> | undefined;

  constructor(services: RemoteStore, session: RemoteSession) {
    this.#services = services;
    this.#session = session;
  }

  async resolve(op: HttpOp | GitOp, options: RemoteOptions): Promise<RemoteSource> {
    switch (op.kind) {
      case 'http':
        return this.#resolveHttp(op, options);
      case 'git':
        return this.#resolveGit(op, options);
      default:
        return unreachable(op);
    }
  }

  async download(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { digest } = await (await this.#openHttp()).fetch(url, { signal });
    return this.#services.content.open(digest);
  }

  async context(url: string, options: Parameters<Remotes['context']>[1]): Promise<RemoteContext> {
    const { signal } = options;
    const parsed = parseRemoteContext(url);
    switch (parsed?.kind) {
      case undefined:
        throw new BuildError(
          'context-not-found',
          `Cannot use "${withoutPassword(url)}" as the build context: it is not a URL`,
        );
      case 'http': {
        const { openStreamContext } = await import('../context/tar.ts');
        const opened = this.#keep(await openStreamContext(await this.download(url, signal), { signal }));
        const { path, dockerfile } = opened;
        return { tree: new LocalTree(path), ...(dockerfile !== undefined && { dockerfile }) };
      }
      case 'git':
        return this.#gitContext(parsed, parsed.keepGitDir ?? options.keepGitDir, signal);
      default:
        return unreachable(parsed);
    }
  }

  async #gitContext(url: GitUrl, keepGitDir: boolean, signal: AbortSignal): Promise<RemoteContext> {
    const { checksum, subdir, submodules = true } = url;
    const ref = pinnedCommit(url) ?? url.ref;
    const mtime = url.mtime === 'checkout' ? url.mtime : undefined;
    const [git, place] = await Promise.all([this.#openGit(), this.#gitRemote(url.remote)]);
    const commit = await git.resolve({ ...place, ref, checksum, signal });
    return this.#keep(await git.checkout({ ...place, ref, commit, subdir, keepGitDir, submodules, mtime, signal }));
  }

  async #resolveHttp({ url, filename, checksum }: HttpOp, options: RemoteOptions): Promise<RemoteSource> {
    const http = await this.#openHttp();
    const fetch = ({ signal, onProgress }: RemoteOptions): Promise<Download> =>
      http.fetch(url, {
        signal,
        ...(checksum !== undefined && { checksum }),
        onProgress: (current, total) => onProgress?.(filename, current, total),
      });
    // With a checksum all that matters is known, so that a build that is cached asks for nothing.
    const file = checksum === undefined ? await fetch(options) : undefined;
    const content = keyDigest('tsbuild.http-content.v1', {
      digest: file?.digest ?? checksum,
      filename,
      modifiedAt: file?.modifiedAt,
    });
    const open = async (later: RemoteOptions): Promise<FileTree> => {
      const found = file ?? (await fetch(later));
      return downloadTree(found, filename, blobPath(this.#services.root, found.digest));
    };
    return { content, open: onceOpened(open) };
  }

  async #resolveGit(op: GitOp, { signal }: RemoteOptions): Promise<RemoteSource> {
    const { ref, checksum, subdir, keepGitDir, submodules, mtime } = op;
    const [git, place] = await Promise.all([this.#openGit(), this.#gitRemote(op.remote)]);
    const commit = await git.resolve({ ...place, ref, checksum, signal });
    const content = keyDigest('tsbuild.git-content.v1', {
      commit,
      subdir,
      submodules,
      // A repository says where it came from.
      ...(keepGitDir && { remote: place.remote }),
      ...(mtime !== undefined && { mtime }),
    });
    const open = async (later: RemoteOptions): Promise<FileTree> => {
      const options = { ...place, ref, commit, subdir, keepGitDir, submodules, mtime, signal: later.signal };
      return this.#keep(await git.checkout(options)).tree;
    };
    return { content, open: onceOpened(open) };
  }

  #keep<T extends AsyncDisposable>(opened: T): T {
    this.#kept.push(opened);
    return opened;
  }

  /** The value of a secret, if the build has it. */
  readonly #secret = (id: string): Uint8Array | undefined => {
    const secret = this.#session.secrets.get(id);
    if (secret?.kind === 'file') throw new Error('secrets are read when a build begins');
    return secret?.value;
  };

  async #gitRemote(url: string): Promise<GitRemote> {
    const { gitRemote } = await import('../context/credentials.ts');
    return gitRemote(url, this.#secret);
  }

  #openHttp(): Promise<HttpSource> {
    this.#http ??= import('../context/http.ts').then(({ HttpSource: Source }) => {
      const sender = async (): Promise<HttpClient> => {
        const [{ openHttp }, { proxyRule }] = await Promise.all([
          import('../registry/http.ts'),
          import('../core/proxy.ts'),
        ]);
        return (this.#client ??= openHttp({ proxy: proxyRule(process.env) }));
      };
      const dir = join(this.#services.root, StorePaths.downloads);
      return new Source({ dir, sender, blobs: this.#services.content, secret: this.#secret });
    });
    return this.#http;
  }

  #openGit(): Promise<GitSource> {
    const modules = [import('../context/git.ts'), import('../core/proxy.ts')] as const;
    this.#git ??= Promise.all(modules).then(([{ GitSource: Source }, { curlProxyEnvironment }]) => {
      const env = curlProxyEnvironment(process.env);
      for (const name of GIT_ENVIRONMENT) {
        const value = process.env[name];
        if (value !== undefined) env[name] = value;
      }
      return new Source({
        dir: join(this.#services.root, StorePaths.git),
        env,
        sshAgent: (remote) => this.#openAgent(remote),
        newId: () => randomBytes(12).toString('hex'),
        takeTurn: (dir, signal) => takeTurn(dir, { signal, patienceMs: GIT_PATIENCE_MS, purpose: 'fetch with git' }),
      });
    });
    return this.#git;
  }

  async #openAgent(remote: string): Promise<string> {
    const agent = this.#session.sshAgents.get(GIT_AGENT);
    if (agent === undefined) {
      throw new BuildError(
        'source-not-found',
        `Cannot fetch "${withoutPassword(remote)}": no SSH agent was passed to the build`,
        {
          hint: 'pass the agent of $SSH_AUTH_SOCK with --ssh default, or a key with --ssh default=FILE',
        },
      );
    }
    this.#gitAgent ??= import('../executor/agent-sockets.ts').then(async ({ openAgentSocket }) => {
      const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
      return this.#keep(await openAgentSocket(GIT_AGENT, agent, { mode: 0o600, ...owner }));
    });
    return (await this.#gitAgent).address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
    await Promise.all(this.#kept.map((opened) => opened[Symbol.asyncDispose]()));
  }
}

/** Whoever comes later gets the same tree; a failure, such as that of who was cancelled, is not kept. */
function onceOpened(open: (options: RemoteOptions) => Promise<FileTree>): RemoteSource['open'] {
  let opened: Promise<FileTree> | undefined;
  return (options) => {
    opened ??= open(options).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}
