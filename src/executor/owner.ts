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

const NUMBER = /^[+-]?\d+$/;
/** Ids are 32-bit integers with a sign for BuildKit; what does not fit is a name. */
const MAX_ID = 0x7fff_ffff;
const MAX_DATABASE_BYTES = 10 * 1024 * 1024;

/** Told of a name that the image does not know, and where it was looked for. */
export type OnUnknownName = (name: string, file: string) => void;

/**
 * The ids that an owner stands for in `tree`. A number alone is the group too; a name alone brings the group of its passwd entry; an empty
 * part is 0. A name that isn't found counts for nothing, as with Docker: the user is 0 then, the group that of the user; the caller is told.
 */
export function resolveOwner(tree: FileTree, owner: Owner, onUnknown: OnUnknownName): Ids {
  const id = parseId(owner.user);
  const user = id === undefined ? namedUser(tree, owner.user) : { uid: id, gid: id };
  if (user === undefined) onUnknown(owner.user, '/etc/passwd');
  const { uid, gid } = user ?? ROOT;
  if (owner.group === undefined) return { uid, gid };
  const group = parseId(owner.group) ?? namedGroup(tree, owner.group);
  if (group === undefined) onUnknown(owner.group, '/etc/group');
  return { uid, gid: group ?? gid };
}

/** An id that is written as such; undefined for a name. */
function parseId(text: string): number | undefined {
  if (text === '' || text === 'root') return 0;
  const number = NUMBER.test(text) ? Number(text) : NaN;
  return number >= -MAX_ID - 1 && number <= MAX_ID ? idOf(number) : undefined;
}

/** The id that chown(2) would see; -1 leaves what is there, which is 0 in a new file. */
function idOf(number: number): number {
  const id = number >>> 0;
  return id === 0xffff_ffff ? 0 : id;
}

function namedUser(tree: FileTree, name: string): Ids | undefined {
  for (const [first, , uid, gid] of readDatabase(tree, '/etc/passwd')) {
    if (first === name) return { uid: databaseId(uid), gid: databaseId(gid) };
  }
  return undefined;
}

function namedGroup(tree: FileTree, name: string): number | undefined {
  for (const [first, , gid] of readDatabase(tree, '/etc/group')) {
    if (first === name) return databaseId(gid);
  }
  return undefined;
}

/** A field that is missing or no id counts as 0, as in Docker's reader of these files. */
function databaseId(field = ''): number {
  return /^\+?\d+$/.test(field) ? idOf(Number(field)) : 0;
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
