/**
 * Repositories by git: what a ref is at the moment, and the files of a commit.
 *
 * For each remote there is a bare repository under `dir`, so that only what is new is fetched. The `git` program does the work, told to
 * run nothing that a repository, a user or a machine has configured, and to speak no protocols but those of the network.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, errnoOf } from '../core/errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import { withoutPassword } from '../core/redact.ts';
import { isCommit, isSshRemote } from '../core/remote-url.ts';
import { storeError } from '../core/store-errors.ts';
import type { FileTree } from '../core/tree.ts';
import { CheckoutTree } from './checkout-tree.ts';
import type { GitCredentials } from './credentials.ts';
import type { GitCommand } from './git-command.ts';
import { fetchFailed, GitProgram } from './git-command.ts';
import { checkoutPlain, checkoutRepository } from './git-checkout.ts';
import { pickRef } from './git-refs.ts';

export interface GitSourceDeps {
  readonly dir: string;
  /** All that git sees of the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Address of the agent that ssh asks for keys; called only for remotes that are reached by SSH. */
  readonly sshAgent: (remote: string) => Promise<string>;
  /** A fresh random name, `[a-z0-9]+`. */
  readonly newId: () => string;
  /** Keeps others, also other processes, from changing what `dir` stands for. */
  readonly takeTurn: (dir: string, signal: AbortSignal) => Promise<Disposable>;
}

export interface ResolveOptions {
  /** Without credentials. */
  readonly remote: string;
  readonly credentials?: GitCredentials | undefined;
  readonly ref: string | undefined;
  readonly checksum: string | undefined;
  readonly signal: AbortSignal;
}

export interface CheckoutOptions {
  /** Without credentials. */
  readonly remote: string;
  readonly credentials?: GitCredentials | undefined;
  /** Where servers hand out no commits by themselves: what leads to it. */
  readonly ref: string | undefined;
  readonly commit: string;
  readonly subdir: string | undefined;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
  /** The time of files: when they are written; absent: that of the commit. */
  readonly mtime?: 'checkout' | undefined;
  readonly signal: AbortSignal;
}

/** Files of a commit; disposing removes them. */
export interface Checkout extends AsyncDisposable {
  /** Absolute host path of the directory. */
  readonly path: string;
  /** The directory with the modes and times that everybody gets. */
  readonly tree: FileTree;
}

export class GitSource {
  readonly #deps: GitSourceDeps;

  constructor(deps: GitSourceDeps) {
    this.#deps = deps;
  }

  /** The commit that `ref` is now. Throws `download-failed`, `checksum-mismatch`, `unsupported-feature` without git, `cancelled`. */
  async resolve({ remote, credentials, ref, checksum, signal }: ResolveOptions): Promise<string> {
    if (ref !== undefined && isCommit(ref)) return matching(remote, [ref], checksum);
    const git = await this.#program(remote);
    const listed = await git.run(['ls-remote', '--', remote], { signal, remote, credentials });
    const found = pickRef(listed, ref);
    if (found === undefined) {
      const what = ref === undefined ? 'the repository has no HEAD' : `it has no branch, tag or commit "${ref}"`;
      throw fetchFailed(
        remote,
        what,
        ref !== undefined && /^[0-9a-f]{7,39}$/.test(ref) ? 'write the commit in full' : undefined,
      );
    }
    return matching(remote, found, checksum);
  }

  /** The files of a commit that `resolve` has found. Throws as `resolve` does, `source-not-found` and `path-escape`. */
  async checkout(options: CheckoutOptions): Promise<Checkout> {
    const { remote, commit, mtime, signal } = options;
    const bare = join(this.#deps.dir, 'repositories', createHash('sha256').update(remote).digest('hex'));
    const program = await this.#program(remote);
    const path = this.#newDirectory();
    const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
    try {
      let seconds: number;
      {
        using _turn = await this.#deps.takeTurn(`${bare}.turns`, signal);
        const git = await openBare(program, bare, options);
        await fetchCommit(git, options);
        const written = await git(['log', '-1', '--format=%ct', commit]);
        seconds = Number(written.trim());
        const needsRepository = options.keepGitDir || (options.submodules && (await hasSubmodules(git, commit)));
        if (needsRepository) await checkoutRepository(program, bare, path, options);
        else await checkoutPlain(program, bare, path, options);
      }
      const root = await subdirectory(path, options);
      return {
        path: root,
        tree: new CheckoutTree(root, mtime === 'checkout' ? undefined : seconds),
        [Symbol.asyncDispose]: remove,
      };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  async #program(remote: string): Promise<GitProgram> {
    const { dir, env, sshAgent } = this.#deps;
    return new GitProgram({ dir, env: isSshRemote(remote) ? { ...env, SSH_AUTH_SOCK: await sshAgent(remote) } : env });
  }

  /** For one checkout. Those of processes that were killed are removed on the way. */
  #newDirectory(): string {
    const parent = join(this.#deps.dir, 'checkouts');
    const self = currentOwner();
    const path = join(parent, ownedName(this.#deps.newId(), self));
    try {
      mkdirSync(parent, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(parent)) {
        if (isAbandoned(name, self))
          void rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
      }
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      throw storeError(error, path);
    }
    return path;
  }
}

async function openBare(
  program: GitProgram,
  bare: string,
  { remote, credentials, signal }: CheckoutOptions,
): Promise<GitCommand> {
  const git: GitCommand = (args, options) =>
    program.run(['--git-dir', bare, ...args], { ...options, signal, remote, credentials });
  try {
    await lstat(join(bare, 'HEAD'));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await program.run(['init', '--quiet', '--bare', '--template=', '--', bare], { signal, remote });
  }
  // Nobody else works here now, so that a lock is that of a git that was killed.
  for (const dir of [bare, join(bare, 'refs', 'tsbuild')]) await removeLocks(dir);
  return git;
}

async function removeLocks(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) if (name.endsWith('.lock')) await rm(join(dir, name), { force: true });
}

/** The first of `found`, the commit; a checksum may also be that of the tag that leads to it. */
function matching(remote: string, found: readonly string[], checksum: string | undefined): string {
  const [commit] = found;
  if (commit === undefined) throw new Error('a ref stands for something');
  if (checksum === undefined || found.some((id) => id.startsWith(checksum))) return commit;
  throw new BuildError(
    'checksum-mismatch',
    `Cannot use "${withoutPassword(remote)}": its commit is "${commit}" instead of "${checksum}"`,
  );
}

/** Gets the commit into the bare repository: alone where the server can do that, else with everything that it has. */
async function fetchCommit(git: GitCommand, { remote, ref, commit }: CheckoutOptions): Promise<void> {
  const kept = `refs/tsbuild/${commit}`;
  if (await has(git, kept)) return;
  const fetch = ['fetch', '--quiet', '--no-tags', '--force', '--no-recurse-submodules', '--no-write-fetch-head'];
  const attempts: string[][] = [[...fetch, '--depth=1', '--', remote, commit]];
  if (ref === undefined || !isCommit(ref)) attempts.push([...fetch, '--depth=1', '--', remote, ref ?? 'HEAD']);
  attempts.push([...fetch, '--', remote, '+refs/*:refs/remotes/*']);
  let failure: unknown;
  for (const attempt of attempts) {
    try {
      await git(attempt);
    } catch (error) {
      if (!(error instanceof BuildError) || error.code !== 'download-failed') throw error;
      failure = error;
    }
    if (!(await has(git, commit))) continue;
    await git(['update-ref', kept, commit]);
    return;
  }
  throw failure ?? fetchFailed(remote, `it has no commit "${commit}"`);
}

async function has(git: GitCommand, name: string): Promise<boolean> {
  const found = await git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], { failing: [1, 128] });
  return found.trim() !== '';
}

async function hasSubmodules(git: GitCommand, commit: string): Promise<boolean> {
  const found = await git(['rev-parse', '--verify', '--quiet', `${commit}:.gitmodules`], { failing: [1, 128] });
  return found.trim() !== '';
}

/** The directory that was asked for; no link may be on the way. */
async function subdirectory(path: string, { remote, subdir }: CheckoutOptions): Promise<string> {
  let current = path;
  for (const part of subdir?.split('/') ?? []) {
    current = join(current, part);
    const found = await lstat(current).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found?.isSymbolicLink() === true) {
      throw new BuildError(
        'path-escape',
        `Cannot use "${subdir}" of "${withoutPassword(remote)}": "${part}" is a symbolic link`,
      );
    }
    if (found?.isDirectory() !== true) {
      throw new BuildError('source-not-found', `Cannot find the directory "${subdir}" in "${withoutPassword(remote)}"`);
    }
  }
  return current;
}
