/** Files that git has written, as everybody sees them: the same modes, owners and, unless told otherwise, times whoever checked them out. */
import type { TreeEntry } from '../core/tree.ts';
import { LocalTree } from './local.ts';

export class CheckoutTree extends LocalTree {
  readonly #mtimeNs: bigint | undefined;

  /** `committedAt`: the time of every entry, in seconds since 1970; absent: when it was written. */
  constructor(dir: string, committedAt: number | undefined) {
    super(dir);
    this.#mtimeNs = committedAt === undefined ? undefined : BigInt(committedAt) * 1_000_000_000n;
  }

  override lstat(path: string): TreeEntry | undefined {
    const entry = super.lstat(path);
    if (entry === undefined) return undefined;
    return { ...entry, mode: modeOf(entry), uid: 0, gid: 0, mtimeNs: this.#mtimeNs ?? entry.mtimeNs };
  }
}

/** Git knows of a file whether it can be executed, and no more. */
function modeOf({ type, mode }: TreeEntry): number {
  if (type === 'symlink') return mode;
  return type === 'directory' || (mode & 0o100) !== 0 ? 0o755 : 0o644;
}
