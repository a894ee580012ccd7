/** `--chown`: names are those of the image that is changed. */
import { readFileSync } from 'node:fs';
import { BuildError } from '../core/errors.ts';
import { fsPath } from '../core/path-bytes.ts';
import type { FileTree } from '../core/tree.ts';
import { resolvePath } from '../core/tree.ts';
import type { Owner } from '../solver/op.ts';

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

export const ROOT: Ids = { uid: 0, gid: 0 };

const NUMBER = /^\d+$/;
const MAX_ID = 0xffff_fffe;
const MAX_DATABASE_BYTES = 10 * 1024 * 1024;

/** Told of a name that the image does not know, and where it was looked for. */
export type OnUnknownName = (name: string, file: string) => void;

/**
 * The ids that an owner stands for in `tree`. A number alone is the group too; a name alone brings the group of its passwd entry. A name
 * that isn't found counts for nothing, as with Docker: the user is 0 then, the group that of the user; the caller is told.
 */
export function resolveOwner(tree: FileTree, owner: Owner, onUnknown: OnUnknownName): Ids {
  const user = NUMBER.test(owner.user) ? numericUser(owner.user) : namedUser(tree, owner.user);
  if (user === undefined) onUnknown(owner.user, '/etc/passwd');
  const { uid, gid } = user ?? ROOT;
  if (owner.group === undefined) return { uid, gid };
  const group = NUMBER.test(owner.group) ? parseId(owner.group) : namedGroup(tree, owner.group);
  if (group === undefined) onUnknown(owner.group, '/etc/group');
  return { uid, gid: group ?? gid };
}

function numericUser(text: string): Ids {
  const id = parseId(text);
  return { uid: id, gid: id };
}

function namedUser(tree: FileTree, name: string): Ids | undefined {
  for (const [first, , uid, gid] of readDatabase(tree, '/etc/passwd')) {
    if (first === name && isId(uid) && isId(gid)) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function namedGroup(tree: FileTree, name: string): number | undefined {
  for (const [first, , gid] of readDatabase(tree, '/etc/group')) {
    if (first === name && isId(gid)) return Number(gid);
  }
  return undefined;
}

/** The fields of each line; nothing if there is no such file. */
function readDatabase(tree: FileTree, path: string): string[][] {
  const real = resolvePath(tree, path);
  const entry = tree.lstat(real);
  if (entry?.type !== 'file') return [];
  if (entry.size > MAX_DATABASE_BYTES) {
    throw new BuildError(
      'limit-exceeded',
      `Cannot read ${path} of the image: it is larger than ${MAX_DATABASE_BYTES} bytes`,
    );
  }
  const lines = readFileSync(fsPath(tree.hostPath(real)), 'utf8').split('\n');
  return lines.map((line) => line.trim().split(':'));
}

function isId(text: string | undefined): boolean {
  return text !== undefined && NUMBER.test(text) && Number(text) <= MAX_ID;
}

function parseId(text: string): number {
  if (!isId(text)) throw new BuildError('invalid-flag', `Cannot use "${text}" as an owner: want at most ${MAX_ID}`);
  return Number(text);
}
