/** Running the `git` program on what strangers made. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import { withoutPassword, withoutPasswords } from '../core/redact.ts';
import type { GitCredentials } from './credentials.ts';

export interface GitProgramOptions {
  /** For what ssh learns of hosts. */
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** For messages. */
  readonly remote: string;
  /** Of the remote; they are in git's environment, which nobody else can read, and not among its arguments. */
  readonly credentials?: GitCredentials | undefined;
  /** Exit codes that are an answer and no failure. */
  readonly failing?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The repositories are this machine's own; default: only those of the network. */
  readonly local?: boolean;
}

/** Git in one repository; the standard output of the command. */
export type GitCommand = (args: readonly string[], options?: Pick<RunOptions, 'failing'>) => Promise<string>;

/** Programs that a configuration could name, and whatever else is not the same everywhere. */
const CONFIG: readonly string[] = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.autocrlf=false',
  'core.symlinks=true',
  'core.fileMode=true',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'credential.helper=',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
  'fetch.fsckObjects=false',
  'http.lowSpeedLimit=1',
  'http.lowSpeedTime=60',
];

const MAX_OUTPUT_BYTES = 64 << 20;
const MAX_ERROR_BYTES = 64 << 10;

export class GitProgram {
  readonly #options: GitProgramOptions;

  constructor(options: GitProgramOptions) {
    this.#options = options;
  }

  /** What git prints. Throws `download-failed` with what git complains of, `unsupported-feature` without git, and `cancelled`. */
  async run(args: readonly string[], options: RunOptions): Promise<string> {
    throwIfAborted(options.signal);
    const { dir } = this.#options;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const command = [...CONFIG.flatMap((setting) => ['-c', setting]), ...args];
    const outcome = await this.#spawn(command, options);
    throwIfAborted(options.signal);
    const { code, stdout, stderr } = outcome;
    if (code === 0 || (code !== null && options.failing?.includes(code) === true)) return stdout;
    throw fetchFailed(options.remote, complaint(stderr, code), this.#hintFor(stderr) ?? httpHint(stderr, options));
  }

  #hintFor(stderr: string): string | undefined {
    if (stderr.includes('REMOTE HOST IDENTIFICATION HAS CHANGED')) {
      const path = knownHosts(this.#options.dir);
      return `its key is not the one from before; if that is right, remove the host from "${path}" or ~/.ssh/known_hosts`;
    }
    if (/: Permission denied \([^)]*publickey/.test(stderr)) {
      return 'the SSH agent has no key that the host takes: list its keys with ssh-add -l, or pass one with --ssh default=FILE';
    }
    return undefined;
  }

  #spawn(
    args: readonly string[],
    { signal, env, cwd, local, credentials }: RunOptions,
  ): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const { dir } = this.#options;
    return new Promise((resolve, reject) => {
      const child = spawn('git', args, {
        cwd: cwd ?? dir,
        stdio: ['ignore', 'pipe', 'pipe'],
        // A group of its own: its helpers end with it.
        detached: true,
        env: {
          ...this.#options.env,
          LC_ALL: 'C',
          GIT_CONFIG_NOSYSTEM: '1',
          GIT_CONFIG_GLOBAL: '/dev/null',
          GIT_ATTR_NOSYSTEM: '1',
          GIT_TERMINAL_PROMPT: '0',
          GIT_ASKPASS: '/bin/false',
          SSH_ASKPASS: '/bin/false',
          GIT_ALLOW_PROTOCOL: local === true ? 'file' : 'http:https:git:ssh',
          GIT_SSH_COMMAND: this.#ssh(),
          GIT_OPTIONAL_LOCKS: '0',
          GIT_NO_REPLACE_OBJECTS: '1',
          GIT_LFS_SKIP_SMUDGE: '1',
          ...(credentials && credentialsConfig(credentials)),
          ...env,
        },
      });
      const kill = (): void => {
        try {
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
        } catch (error) {
          if (errnoOf(error) !== 'ESRCH') throw error;
        }
      };
      signal.addEventListener('abort', kill, { once: true });
      const stdout = collect(child.stdout, MAX_OUTPUT_BYTES, () => {
        kill();
        reject(new BuildError('limit-exceeded', 'Cannot read what git prints: it is too much'));
      });
      const stderr = collect(child.stderr, MAX_ERROR_BYTES, () => undefined);
      child.once('error', (error) => {
        signal.removeEventListener('abort', kill);
        reject(errnoOf(error) === 'ENOENT' ? noGit(error) : error);
      });
      child.once('close', (code) => {
        signal.removeEventListener('abort', kill);
        resolve({ code, stdout: stdout(), stderr: stderr() });
      });
    });
  }

  /**
   * Hosts are trusted at first sight, and remembered in the store, not in the user's own file. Keys are those of the agent alone, so that what
   * a build can fetch does not hang on who runs it.
   */
  #ssh(): string {
    const known = `${quoted(knownHosts(this.#options.dir))} ~/.ssh/known_hosts`;
    const options = [
      'BatchMode=yes',
      'IdentityFile=none',
      'StrictHostKeyChecking=accept-new',
      `UserKnownHostsFile=${shellQuoted(known)}`,
    ];
    return `ssh -F /dev/null ${options.map((option) => `-o ${option}`).join(' ')}`;
  }
}

function knownHosts(dir: string): string {
  return join(dir, 'known_hosts');
}

/** No redirect is followed: git would send the header wherever it is led. */
function credentialsConfig({ scope, authorization }: GitCredentials): Record<string, string> {
  return {
    GIT_CONFIG_COUNT: '2',
    GIT_CONFIG_KEY_0: `http.${scope}.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: ${authorization}`,
    GIT_CONFIG_KEY_1: 'http.followRedirects',
    GIT_CONFIG_VALUE_1: 'false',
  };
}

/** For a list of files in ssh's own syntax, which also expands tokens in it. */
function quoted(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function collect(stream: NodeJS.ReadableStream, maxBytes: number, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (sizeBytes + chunk.length > maxBytes) {
      if (sizeBytes <= maxBytes) tooMuch();
      sizeBytes = maxBytes + 1;
      return;
    }
    sizeBytes += chunk.length;
    chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** The line that says most, without control characters and passwords. */
function complaint(stderr: string, code: number | null): string {
  const lines = stderr
    .replace(/[^\n\P{Cc}]/gu, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const fatal = lines.findLastIndex((text) => text.startsWith('fatal: '));
  // What ssh said before tells more.
  const isLost = lines[fatal] === 'fatal: Could not read from remote repository.';
  const line = lines[isLost && fatal > 0 ? fatal - 1 : fatal] ?? lines.at(-1);
  if (line === undefined) return `git ended with ${code ?? 'a signal'}`;
  return withoutPasswords(line.replace(/^fatal: /, ''));
}

/** What helps where a server by HTTP wants credentials, or leads those that it got elsewhere. */
function httpHint(stderr: string, { remote, credentials }: RunOptions): string | undefined {
  const host = /^https?:\/\/([^/?#]*)/i.exec(remote)?.[1];
  if (host === undefined) return undefined;
  if (credentials !== undefined && /returned error: 30[12378]\b/.test(stderr)) {
    return 'the server redirects, and credentials are not sent along: write the address that it redirects to';
  }
  if (!/could not read (?:Username|Password)|Authentication failed|returned error: 40[13]\b/i.test(stderr)) {
    return undefined;
  }
  return `give credentials with --secret id=GIT_AUTH_TOKEN.${host},env=VARIABLE`;
}

export function fetchFailed(remote: string, why: string, hint?: string): BuildError {
  return new BuildError('download-failed', `Cannot fetch "${withoutPassword(remote)}": ${why}`, {
    ...(hint !== undefined && { hint }),
  });
}

function noGit(cause: unknown): BuildError {
  return new BuildError('unsupported-feature', 'Cannot fetch repositories: the program "git" is not installed', {
    hint: 'install git, or put it into a directory of $PATH',
    cause,
  });
}
