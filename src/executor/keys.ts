/**
 * What enters the cache keys of each operation.
 *
 * An operation's digest covers what can change its result, in one canonical text with a version; the inputs enter on their own.
 */
import { canonicalJson } from '../core/canonical.ts';
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import { unreachable } from '../core/exhaustive.ts';
import { cleanPath } from '../core/paths.ts';
import type { ExecMount, ExecOp, FileOp, Op } from '../solver/op.ts';
import type { CacheMap, InputUse, Vertex } from '../solver/types.ts';

/** The digest of `value` as one version of one kind of thing: `tsbuild.<kind>.v<n>`. */
export function keyDigest(kind: string, value: unknown): Digest {
  return digestOf(`${kind}\0${canonicalJson(value)}`);
}

export function cacheMapOf({ op, inputs }: Vertex<Op>): CacheMap {
  switch (op.kind) {
    case 'scratch':
      return { opDigest: keyDigest('tsbuild.scratch.v1', {}), inputs: [], policy: 'record' };
    case 'image':
      // Neither the name nor the registry matters: the manifest says what the image is.
      return { opDigest: keyDigest('tsbuild.image.v1', { manifest: op.manifest }), inputs: [], policy: 'record' };
    case 'local':
      return { opDigest: keyDigest('tsbuild.local.v1', { name: op.name }), inputs: [], policy: 'source' };
    case 'http':
      return { opDigest: keyDigest('tsbuild.http.v1', op), inputs: [], policy: 'source' };
    case 'git':
      return { opDigest: keyDigest('tsbuild.git.v1', op), inputs: [], policy: 'source' };
    case 'exec':
      return {
        opDigest: keyDigest('tsbuild.exec.v1', execKey(op)),
        inputs: execUses(op, inputs.length),
        policy: 'record',
      };
    case 'file':
      return { opDigest: keyDigest('tsbuild.file.v1', op), inputs: fileUses(op, inputs.length), policy: 'record' };
    case 'merge':
      return { opDigest: keyDigest('tsbuild.merge.v1', {}), inputs: inputs.map(() => WHOLE), policy: 'record' };
    default:
      return unreachable(op);
  }
}

const WHOLE: InputUse = { kind: 'whole' };
const CONTENT: InputUse = { kind: 'content' };
const NONE: InputUse = { kind: 'none' };

function execKey(op: ExecOp): unknown {
  // What stands before a `..` is made when it is missing.
  const cwd = op.cwd.includes('/..') ? op.cwd : cleanPath(op.cwd);
  return { ...op, cwd, mounts: op.mounts.map(mountKey) };
}

/** A cache mount's place counts, its content does not; its id only if it is not the default one. */
function mountKey(mount: ExecMount): unknown {
  if (mount.kind !== 'cache') return mount;
  const { id, sharing, ...rest } = mount;
  return id === cleanPath(mount.target) ? rest : { ...rest, id, sharing };
}

function execUses(op: ExecOp, count: number): InputUse[] {
  const uses = Array.from({ length: count }, (): InputUse => NONE);
  uses[0] = WHOLE;
  for (const mount of op.mounts) {
    if ((mount.kind !== 'bind' && mount.kind !== 'cache') || mount.input === undefined) continue;
    // Also where it may write: what it writes there is thrown away.
    if (mount.input !== 0) uses[mount.input] = CONTENT;
  }
  return uses;
}

function fileUses(op: FileOp, count: number): InputUse[] {
  const uses = Array.from({ length: count }, (): InputUse => NONE);
  for (const action of op.actions) if (action.kind === 'copy') uses[action.input] = CONTENT;
  uses[0] = op.linked === true ? CONTENT : WHOLE;
  return uses;
}
