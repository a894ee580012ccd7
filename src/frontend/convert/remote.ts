/** ADD of what is in the network: files by HTTP, repositories by git. */
import { isDigest } from '../../core/digest.ts';
import { BuildError } from '../../core/errors.ts';
import { unreachable } from '../../core/exhaustive.ts';
import type { HttpUrl, GitUrl, RemoteUrl } from '../../core/remote-url.ts';
import { withoutPassword } from '../../core/redact.ts';
import { fileNameOf, isCommitPrefix, isRemoteUrl, parseRemoteUrl, pinnedCommit } from '../../core/remote-url.ts';
import type { AddInstruction, CopyInstruction, Word } from '../../parser/types.ts';
import type { CopyAction, GitOp, HttpOp } from '../../solver/op.ts';
import { invalidChecksum, namelessUrl, onlyForRemote, onlyForRepositories, remoteSource } from '../errors.ts';
import type { StepContext } from './context.ts';
import type { Inputs } from './mounts.ts';

/** A source of ADD or COPY after expansion. */
export interface SourcePath {
  readonly text: string;
  readonly word: Word;
  /** Absent: a path. */
  readonly remote?: RemoteUrl;
}

/** What BuildKit calls a file whose URL has no name. */
const UNNAMED = '__unnamed__';

/** Tells URLs from paths; throws where the instruction's flags do not fit its sources. */
export function readSources(
  instruction: CopyInstruction | AddInstruction,
  paths: readonly { readonly text: string; readonly word: Word }[],
): readonly SourcePath[] {
  const sources = paths.map(({ text, word }): SourcePath => {
    if (!isRemoteUrl(text)) return { text, word };
    if (instruction.kind === 'copy') throw remoteSource(text, word);
    const remote = located(word, () => parseRemoteUrl(text));
    return { text, word, ...(remote && { remote }) };
  });
  if (instruction.kind !== 'add') return sources;
  const isRemote = (kind: RemoteUrl['kind']): boolean => sources.some(({ remote }) => remote?.kind === kind);
  if (instruction.checksum) {
    if (instruction.sources.length > 1) {
      throw invalidChecksum('it is given for one source, and there are several', instruction.checksum);
    }
    if (!isRemote('http') && !isRemote('git')) throw onlyForRemote('--checksum', instruction.checksum);
  }
  if (instruction.keepGitDir !== undefined && !isRemote('git'))
    throw onlyForRepositories('--keep-git-dir', instruction);
  return sources;
}

/** The copy of a remote source; the vertex that fetches it is added to `inputs`. */
export function remoteCopy(
  { stage }: StepContext,
  instruction: AddInstruction,
  { remote, word }: SourcePath & { readonly remote: RemoteUrl },
  target: Pick<CopyAction, 'destination' | 'owner' | 'mode'>,
  inputs: Inputs,
): CopyAction {
  const checksum = instruction.checksum && {
    text: stage.scope.expand(instruction.checksum),
    range: instruction.checksum.range,
  };
  const op =
    remote.kind === 'http'
      ? httpOp(remote, target.destination, word, checksum)
      : gitOp(remote, instruction.keepGitDir, word, checksum);
  const vertex = stage.graph.add({ op, inputs: [], name: nameOf(op), locations: [word.range] });
  return {
    kind: 'copy',
    input: inputs.add(vertex),
    selection: {
      source: op.kind === 'http' ? `/${op.filename}` : '/',
      wildcard: false,
      exclude: instruction.exclude.map((pattern) => pattern.text),
    },
    ...target,
    parents: false,
    unpack: op.kind === 'http' && instruction.unpack === true,
    resetOwner: true,
  };
}

type Checksum = Pick<Word, 'text' | 'range'> | undefined;

function httpOp({ url }: HttpUrl, destination: string, word: Word, checksum: Checksum): HttpOp {
  const name = fileNameOf(url);
  if (name === undefined && destination.endsWith('/')) throw namelessUrl(withoutPassword(url), word);
  const filename = name ?? UNNAMED;
  if (checksum === undefined) return { kind: 'http', url, filename };
  const algorithm = /^([a-z0-9]+):/.exec(checksum.text)?.[1] ?? 'sha256';
  if (algorithm !== 'sha256') {
    throw invalidChecksum(`"${algorithm}" is not supported: want "sha256:" and 64 lower-case hex digits`, checksum);
  }
  if (!isDigest(checksum.text)) {
    throw invalidChecksum(`"${checksum.text}" is not "sha256:" and 64 lower-case hex digits`, checksum);
  }
  return { kind: 'http', url, filename, checksum: checksum.text };
}

function gitOp(remote: GitUrl, keepGitDir: boolean | undefined, word: Word, checksum: Checksum): GitOp {
  if (checksum !== undefined && !isCommitPrefix(checksum.text)) {
    throw invalidChecksum(`"${checksum.text}" is not a commit: want 7 to 64 lower-case hex digits`, checksum);
  }
  if (checksum !== undefined && remote.checksum !== undefined && checksum.text !== remote.checksum) {
    throw invalidChecksum(`the URL says "${remote.checksum}", the flag "${checksum.text}"`, checksum);
  }
  const commit = remote.checksum ?? checksum?.text;
  const pinned = located(word, () => pinnedCommit({ ...remote, ...(commit !== undefined && { checksum: commit }) }));
  const ref = pinned ?? remote.ref ?? commit;
  return {
    kind: 'git',
    remote: remote.remote,
    ...(ref !== undefined && { ref }),
    ...(remote.subdir !== undefined && { subdir: remote.subdir }),
    ...(commit !== undefined && { checksum: commit }),
    keepGitDir: keepGitDir ?? remote.keepGitDir ?? false,
    submodules: remote.submodules ?? true,
    ...(remote.mtime === 'checkout' && { mtime: remote.mtime }),
  };
}

function nameOf(op: HttpOp | GitOp): string {
  switch (op.kind) {
    case 'http':
      return `[internal] fetch ${withoutPassword(op.url)}`;
    case 'git':
      return `[internal] fetch ${withoutPassword(op.remote)}${op.ref === undefined ? '' : `#${op.ref}`}`;
    default:
      return unreachable(op);
  }
}

function located<T>(word: Word, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof BuildError ? error.at([word.range]) : error;
  }
}
