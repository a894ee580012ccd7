/** From a commit in a bare repository to files in an empty directory. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckoutOptions } from './git.ts';
import type { GitProgram } from './git-command.ts';

/** The files alone. */
export async function checkoutPlain(
  git: GitProgram,
  bare: string,
  path: string,
  { remote, credentials, commit, signal }: CheckoutOptions,
): Promise<void> {
  const index = `${path}.index`;
  try {
    await git.run(['--git-dir', bare, '--work-tree', path, 'read-tree', '--reset', '-u', commit], {
      signal,
      remote,
      credentials,
      cwd: path,
      env: { GIT_INDEX_FILE: index },
    });
  } finally {
    await rm(index, { force: true });
  }
}

/** The files as a repository of their own, which submodules need, and who wants to keep `.git`. */
export async function checkoutRepository(
  git: GitProgram,
  bare: string,
  path: string,
  options: CheckoutOptions,
): Promise<void> {
  const { remote, credentials, commit, signal, keepGitDir, submodules, subdir } = options;
  const run = (args: readonly string[], local = false): Promise<string> =>
    git.run(['-C', path, ...args], { signal, remote, credentials, local });
  await run(['init', '--quiet', '--template=', '.']);
  // The address is this machine's own bare repository.
  await run(['fetch', '--quiet', '--no-tags', '--depth=1', '--', `file://${bare}`, `refs/tsbuild/${commit}`], true);
  await run(['-c', 'submodule.recurse=false', 'checkout', '--quiet', '--force', '--detach', commit]);
  await run(['remote', 'add', 'origin', remote]);
  if (submodules) await run(['submodule', '--quiet', 'update', '--init', '--recursive', '--depth=1', '--checkout']);
  await Promise.all(
    ['FETCH_HEAD', 'logs'].map((name) => rm(join(path, '.git', name), { recursive: true, force: true })),
  );
  // A part of a repository is none.
  if (!keepGitDir || subdir !== undefined) await removeGit(path);
}

async function removeGit(dir: string): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true });
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.name === '.git') await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory()) await removeGit(path);
  }
}
