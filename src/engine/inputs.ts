/** What a build reads of the client: the context and the Dockerfile. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { FileTree } from '../core/tree.ts';
import { unreachable } from '../core/exhaustive.ts';
import { rootedPath } from '../core/paths.ts';
import { withoutPassword } from '../core/redact.ts';
import { resolvePath } from '../core/tree.ts';
import { BuildError, errnoOf } from '../core/errors.ts';
import type { SourceFile } from '../core/source.ts';
import type { IgnoreRules } from '../context/dockerignore.ts';
import { parseDockerignore } from '../context/dockerignore.ts';
import { LocalTree } from '../context/local.ts';
import type { Remotes } from './remotes.ts';
import type { ContextSource, DockerfileSource } from './types.ts';

/** An opened context; disposing removes what was unpacked for it. */
export interface BuildInputs extends AsyncDisposable {
  readonly dockerfile: SourceFile;
  readonly context: FileTree;
  /** The ignore file's rules, where there is one. */
  readonly ignore?: IgnoreRules;
}

/** A directory or a stream, made into a directory that lasts as long as the build. */
interface ContextDirectory extends AsyncDisposable {
  /** All of it, what an ignore file hides included. */
  readonly tree: FileTree;
  /** As the client calls it. */
  readonly path: string;
  /** The client's own directory: its ignore file counts. A tar says itself what it holds. */
  readonly isLocal: boolean;
  /** The stream was a Dockerfile, and there are no files. */
  readonly dockerfile?: SourceFile;
}

/** The largest Dockerfile, in bytes; larger ones are refused unread. */
const MAX_DOCKERFILE_BYTES = 16 << 20;

export interface InputOptions {
  readonly remotes: Pick<Remotes, 'context' | 'download'>;
  /** Of a repository that is the context. */
  readonly keepGitDir: boolean;
  readonly signal: AbortSignal;
}

export async function openInputs(
  source: ContextSource,
  wanted: DockerfileSource,
  options: InputOptions,
): Promise<BuildInputs> {
  if (source.kind === 'stream' && wanted.kind === 'stream') {
    throw new BuildError('usage', 'Cannot read both the context and the Dockerfile from standard input');
  }
  const directory = await openDirectory(source, options);
  try {
    const found = directory.dockerfile
      ? { file: directory.dockerfile, path: undefined }
      : await readDockerfile(directory, wanted, options);
    const patterns = directory.isLocal ? await readIgnoreFile(directory.path, found.path) : undefined;
    const context = patterns === undefined ? directory.tree : new LocalTree(directory.path, { ignore: patterns });
    return {
      dockerfile: found.file,
      context,
      ...(patterns !== undefined && { ignore: patterns }),
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    };
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether rules take a path, as an instruction has it, away from the context. */
export function isIgnoredBy({ patterns }: IgnoreRules): (path: string) => boolean {
  return (path) => patterns.matchPath(path).excluded;
}

/** A directory of the client besides the build context, with an ignore file of its own. Throws `context-not-found`. */
export async function openContextDirectory(path: string): Promise<FileTree> {
  await requireDirectory(path);
  const patterns = await readIgnoreFile(path, undefined);
  return new LocalTree(path, patterns === undefined ? {} : { ignore: patterns });
}

async function openDirectory(source: ContextSource, options: InputOptions): Promise<ContextDirectory> {
  switch (source.kind) {
    case 'stream': {
      const { openStreamContext } = await import('../context/tar.ts');
      const opened = await openStreamContext(source.stream, options);
      return {
        tree: new LocalTree(opened.path),
        path: opened.path,
        isLocal: false,
        ...(opened.dockerfile !== undefined && { dockerfile: { name: '-', text: opened.dockerfile } }),
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      };
    }
    case 'remote': {
      const { tree, dockerfile } = await options.remotes.context(source.url, options);
      return {
        tree,
        path: tree.hostPath('/'),
        isLocal: false,
        ...(dockerfile !== undefined && { dockerfile: { name: withoutPassword(source.url), text: dockerfile } }),
        async [Symbol.asyncDispose]() {},
      };
    }
    case 'directory':
      await requireDirectory(source.path);
      return { tree: new LocalTree(source.path), path: source.path, isLocal: true, async [Symbol.asyncDispose]() {} };
    default:
      return unreachable(source);
  }
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw contextNotFound(path, 'there is no such directory');
    throw error;
  });
  if (!found.isDirectory()) throw contextNotFound(path, 'it is not a directory');
}

async function readDockerfile(
  directory: ContextDirectory,
  wanted: DockerfileSource,
  { remotes, signal }: InputOptions,
): Promise<{ file: SourceFile; path: string | undefined }> {
  switch (wanted.kind) {
    case 'stream':
      return { file: { name: '-', text: await readText(wanted.stream) }, path: undefined };
    case 'url': {
      const shown = withoutPassword(wanted.url);
      const stream = await remotes.download(wanted.url, signal);
      return { file: { name: shown, text: await readText(stream, shown) }, path: undefined };
    }
    case 'path': {
      const path = directory.isLocal ? wanted.path : pathInside(directory.tree, wanted.shown);
      const text = await readIfThere(path);
      if (text === undefined) throw dockerfileNotFound(wanted.shown);
      return { file: { name: wanted.shown, text }, path };
    }
    case 'default': {
      for (const name of ['Dockerfile', 'dockerfile']) {
        const path = directory.isLocal ? join(directory.path, name) : pathInside(directory.tree, name);
        const text = await readIfThere(path);
        if (text !== undefined) return { file: { name: shownPath(path, directory.isLocal), text }, path };
      }
      throw dockerfileNotFound(directory.isLocal ? shownPath(join(directory.path, 'Dockerfile'), true) : 'Dockerfile');
    }
  }
}

/**
 * `<Dockerfile>.dockerignore` beside the Dockerfile wins over the context's own `.dockerignore`. As with Docker, a link that leads out of
 * its directory is no such file.
 */
async function readIgnoreFile(
  context: string,
  dockerfile: string | undefined,
): Promise<ReturnType<typeof parseDockerignore> | undefined> {
  const candidates: (readonly [string, string])[] = [[context, '.dockerignore']];
  if (dockerfile !== undefined) candidates.unshift([dirname(dockerfile), `${basename(dockerfile)}.dockerignore`]);
  for (const [directory, name] of candidates) {
    const text = await readIfThere(pathInside(new LocalTree(directory), name));
    if (text !== undefined) return parseDockerignore({ name: shownPath(join(directory, name), true), text });
  }
  return undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > MAX_DOCKERFILE_BYTES) throw tooLarge(path);
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EISDIR') throw new BuildError('dockerfile-not-found', `Cannot read "${path}": it is a directory`);
    if (code === 'EACCES') throw new BuildError('dockerfile-not-found', `Cannot read "${path}": permission denied`);
    throw error;
  }
}

/** The host path of what a name leads to in a context that a stranger may have made: its links do not lead out of it. */
function pathInside(tree: FileTree, name: string): string {
  return tree.hostPath(resolvePath(tree, rootedPath(name)));
}

async function readText(stream: AsyncIterable<Uint8Array>, shown = '-'): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_DOCKERFILE_BYTES) throw tooLarge(shown);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Relative to the working directory where that is shorter, as an editor's "go to line" understands it. */
function shownPath(path: string, isLocal: boolean): string {
  if (!isLocal) return basename(path);
  const near = relative('.', path);
  return near.length < path.length && !near.startsWith('..') ? near : path;
}

function contextNotFound(path: string, why: string): BuildError {
  return new BuildError('context-not-found', `Cannot use "${path}" as the build context: ${why}`);
}

function dockerfileNotFound(shown: string): BuildError {
  return new BuildError('dockerfile-not-found', `Cannot find the Dockerfile "${shown}"`, {
    hint: 'name it with -f FILE; a relative FILE is looked up from the working directory',
  });
}

function tooLarge(path: string): BuildError {
  return new BuildError('limit-exceeded', `Cannot read "${path}": it is larger than ${MAX_DOCKERFILE_BYTES} bytes`);
}
