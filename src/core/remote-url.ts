/** Sources in the network as a user writes them: files by HTTP, and repositories in the forms that BuildKit takes. */
import { BuildError } from './errors.ts';
import { cleanPath } from './paths.ts';
import { withoutPassword } from './redact.ts';

export interface HttpUrl {
  readonly kind: 'http';
  readonly url: string;
}

/** `https://host/repo.git#ref:subdir`, or with `?ref=&subdir=` and so on. */
export interface GitUrl {
  readonly kind: 'git';
  /** What git is given: no fragment, no query. */
  readonly remote: string;
  /** A branch, a tag, a full ref name or a commit; absent: what HEAD of the remote is. */
  readonly ref?: string;
  /** Below the repository's root, clean and relative; absent for the root. */
  readonly subdir?: string;
  /** The commit that it must be, or its first digits. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  /** Absent: fetch them. */
  readonly submodules?: boolean;
  /** The time of files: that of the commit (absent), or when they were written. */
  readonly mtime?: 'commit' | 'checkout';
  /** The commit is fetched as it is, whatever the ref stands for; `checksum` names it in full. */
  readonly fetchByCommit?: boolean;
}

export type RemoteUrl = HttpUrl | GitUrl;

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const SCHEME = /^(https?|git|ssh):\/\//i;
/** `user@host:path`, as scp(1) and git write it. */
const SCP_LIKE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9[][A-Za-z0-9.\]:-]*?:/;

/** What the query of a repository's URL may say. */
const QUERY = [
  'ref',
  'tag',
  'branch',
  'commit',
  'checksum',
  'subdir',
  'keep-git-dir',
  'submodules',
  'mtime',
  'fetch-by-commit',
];

const GITHUB = 'github.com/';

/** Whether `text` is meant to be something in the network and no path. */
export function isRemoteUrl(text: string): boolean {
  return SCHEME.test(text) || SCP_LIKE.test(text);
}

/** Whether git reaches `remote`, as a `GitUrl` has it, by SSH. */
export function isSshRemote(remote: string): boolean {
  return /^ssh:\/\//i.test(remote) || (!SCHEME.test(remote) && SCP_LIKE.test(remote));
}

/** Whether `text`, as the context of a build, is in the network: also `github.com/owner/name`, which an ADD would take for a path. */
export function isRemoteContext(text: string): boolean {
  return isRemoteUrl(text) || text.startsWith(GITHUB);
}

/** Reads what `isRemoteContext` recognises, undefined for anything else. Throws `invalid-argument`. */
export function parseRemoteContext(text: string): RemoteUrl | undefined {
  const parsed = parseRemoteUrl(text.startsWith(GITHUB) ? githubUrl(text) : text);
  if (parsed?.kind === 'git') pinnedCommit(parsed);
  return parsed;
}

function githubUrl(text: string): string {
  const [path = '', rest = ''] = /^([^?#]*)([^]*)$/.exec(text)?.slice(1) ?? [];
  return `https://${path.replace(/\/$/, '').replace(/(?:\.git)?$/, '.git')}${rest}`;
}

/** The commit to fetch whatever the ref stands for, where the URL wants that. Throws `invalid-argument` where it names none in full. */
export function pinnedCommit({ remote, checksum, fetchByCommit }: GitUrl): string | undefined {
  if (fetchByCommit !== true) return undefined;
  if (checksum !== undefined && isCommit(checksum)) return checksum;
  throw invalid(remote, '"fetch-by-commit" needs the commit in full, 40 or 64 hex digits, as "checksum"');
}

/** Reads what `isRemoteUrl` recognises, undefined for anything else. Throws `invalid-argument`. */
export function parseRemoteUrl(text: string): RemoteUrl | undefined {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return SCP_LIKE.test(text) ? parseScpLike(text) : undefined;
  if (!URL.canParse(text)) throw invalid(text, 'it is not a URL');
  const url = new URL(text);
  if (url.hostname === '' || url.hostname.startsWith('-')) throw invalid(text, 'it has no host');
  const isGit = scheme === 'git' || scheme === 'ssh' || url.pathname.endsWith('.git');
  if (!isGit) return { kind: 'http', url: text };
  const remote = text.replace(/[?#][^]*$/, '');
  return gitUrl(text, remote, url.hash.slice(1), url.searchParams);
}

function parseScpLike(text: string): GitUrl {
  const [beforeFragment = '', ...fragment] = text.split('#');
  const [remote = '', ...query] = beforeFragment.split('?');
  return gitUrl(text, remote, fragment.join('#'), new URLSearchParams(query.join('?')));
}

interface Parts {
  ref?: string;
  subdir?: string;
  checksum?: string;
  keepGitDir?: boolean;
  submodules?: boolean;
  mtime?: 'commit' | 'checkout';
  fetchByCommit?: boolean;
}

function gitUrl(text: string, remote: string, fragment: string, query: URLSearchParams): GitUrl {
  const parts: Parts = {};
  const colon = fragment.indexOf(':');
  setOnce(parts, 'ref', decoded(text, colon < 0 ? fragment : fragment.slice(0, colon)), text);
  if (colon >= 0) setOnce(parts, 'subdir', decoded(text, fragment.slice(colon + 1)), text);
  const seen = new Set<string>();
  for (const [name, value] of query) {
    if (seen.has(name)) throw invalid(text, `it has several values for "${name}"`);
    seen.add(name);
    readQuery(parts, name, value, text);
  }
  if (seen.has('tag') && seen.has('branch')) throw invalid(text, 'it names a tag and a branch');
  if (parts.checksum !== undefined) parts.ref ??= parts.checksum;
  if (parts.ref !== undefined) checkRef(parts.ref, text);
  if (parts.checksum !== undefined) checkCommit(parts.checksum, text);
  const { subdir, ...rest } = parts;
  const inside = subdir === undefined ? '.' : cleanSubdir(subdir, text);
  return { kind: 'git', remote, ...rest, ...(inside !== '.' && { subdir: inside }) };
}

function readQuery(parts: Parts, name: string, value: string, text: string): void {
  switch (name) {
    case 'keep-git-dir':
      parts.keepGitDir = boolean(name, value, text);
      return;
    case 'submodules':
      parts.submodules = boolean(name, value, text);
      return;
    case 'fetch-by-commit':
      parts.fetchByCommit = boolean(name, value, text);
      return;
  }
  if (value === '') throw invalid(text, `"${name}" has no value`);
  switch (name) {
    case 'ref':
    case 'subdir':
      return setOnce(parts, name, value, text);
    case 'tag':
      return setOnce(parts, 'ref', withPrefix('refs/tags/', value), text);
    case 'branch':
      return setOnce(parts, 'ref', withPrefix('refs/heads/', value), text);
    case 'checksum':
    case 'commit':
      return setOnce(parts, 'checksum', value, text);
    case 'mtime':
      if (value !== 'commit' && value !== 'checkout') throw invalid(text, '"mtime" is neither commit nor checkout');
      parts.mtime = value;
      return;
    default:
      throw invalid(text, `"${name}" is not among ${QUERY.join(', ')}`);
  }
}

function setOnce(parts: Parts, name: 'ref' | 'subdir' | 'checksum', value: string, text: string): void {
  if (value === '') return;
  const before = parts[name];
  if (before !== undefined && before !== value) throw invalid(text, `it names both "${before}" and "${value}"`);
  parts[name] = value;
}

function withPrefix(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name : `${prefix}${name}`;
}

function boolean(name: string, value: string, text: string): boolean {
  if (/^(?:|1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw invalid(text, `"${name}" is neither true nor false`);
}

/** As git-check-ref-format(1) has it, so that no name is an option, a range or a refspec. */
function checkRef(ref: string, text: string): void {
  const parts = ref.split('/');
  const bad =
    ref.startsWith('-') ||
    ref === '@' ||
    /[\p{Cc} ~^:?*[\\]|\.\.|@\{/u.test(ref) ||
    parts.some((part) => part === '' || part.startsWith('.') || part.endsWith('.') || part.endsWith('.lock'));
  if (bad) throw invalid(text, `"${ref}" is not a name that git allows`);
}

/** Whether `text` is a commit with all its digits. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** A commit as a user writes it: all digits or the first ones, at least seven. */
export function isCommitPrefix(text: string): boolean {
  return /^[0-9a-f]{7,64}$/.test(text);
}

function checkCommit(commit: string, text: string): void {
  if (!isCommitPrefix(commit)) throw invalid(text, `"${commit}" is not a commit: want 7 to 64 lower-case hex digits`);
}

function cleanSubdir(subdir: string, text: string): string {
  if (subdir.includes('\0')) throw invalid(text, 'its subdirectory has a zero byte');
  const clean = cleanPath(subdir.replace(/^\/+/, ''));
  if (clean === '..' || clean.startsWith('../')) {
    throw new BuildError(
      'path-escape',
      `Cannot use "${withoutPassword(text)}": "${subdir}" is outside of the repository`,
    );
  }
  return clean;
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw invalid(text, `"${part}" is not encoded as URLs are`, error);
  }
}

/** The name of the file that a URL stands for, undefined where its path has none. */
export function fileNameOf(url: string): string | undefined {
  let path = new URL(url).pathname;
  try {
    path = decodeURIComponent(path);
  } catch {
    // What is not encoded is taken as it is.
  }
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return name === '' || name === '.' || name === '..' || name.includes('\0') ? undefined : name;
}

function invalid(url: string, why: string, cause?: unknown): BuildError {
  return new BuildError('invalid-argument', `Cannot use "${withoutPassword(url)}": ${why}`, { cause });
}
