/**
 * The directories behind `RUN --mount=type=cache`, which outlive builds.
 *
 *     <root>/cache-mounts/<hex>/<n>         the content; <hex> from the id and what the mount begins as: an initial content, or a mode and owner
 *     <root>/cache-mounts/<hex>/<n>.<owner> held exclusively by that process (core/owner.ts)
 *
 * Directory 0 is what `shared` and `locked` mounts use; the others belong to `private` mounts that met a held one. Nothing in a cache
 * mount enters a key, and it may be removed whenever no build runs.
 */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { giveTo } from '../core/give.ts';
import { hexOf } from '../core/digest.ts';
import { errnoOf, throwIfAborted } from '../core/errors.ts';
import { currentOwner, isAbandoned, ownedName } from '../core/owner.ts';
import { storeError } from '../core/store-errors.ts';
import type { FileTree } from '../core/tree.ts';
import type { ExecMount } from '../solver/op.ts';
import { copySource } from './copy.ts';
import { Destination } from './destination.ts';
import { EmptyTree } from './empty-tree.ts';
import { keyDigest } from './keys.ts';
import type { SelectedSource } from './selection.ts';
import type { ExecutorDeps } from './types.ts';

export type CacheMountOp = ExecMount & { readonly kind: 'cache' };

/** What a new cache starts with. */
export interface CacheSeed {
  readonly tree: FileTree;
  readonly source: SelectedSource;
  /** What makes two seeds the same; undefined for the client's files, which root owns in a build. */
  readonly identity: unknown;
}

/** A directory in use; disposing gives it back. */
export interface CacheMount extends AsyncDisposable {
  readonly dir: string;
}

const POLL_MS = 100;
/** That of Docker's daemon, which makes the directory there. */
const UMASK = 0o022;
const MODE_BITS = 0o777;
const DEFAULT_MODE = 0o755;

export class CacheMounts {
  private readonly deps: Pick<ExecutorDeps, 'root' | 'files' | 'newId'>;

  constructor(deps: Pick<ExecutorDeps, 'root' | 'files' | 'newId'>) {
    this.deps = deps;
  }

  /** The directory for a mount, made when there is none; a `locked` mount waits for its turn. */
  async open(mount: CacheMountOp, seed: CacheSeed | undefined, signal: AbortSignal): Promise<CacheMount> {
    const start = seed === undefined ? emptyStart(mount) : seed.identity;
    const key = keyDigest('tsbuild.cache-mount.v1', { id: mount.id, seed: start });
    const base = join(this.deps.root, 'cache-mounts', hexOf(key));
    try {
      mkdirSync(base, { recursive: true, mode: 0o700 });
      const held = await this.hold(base, mount, signal);
      try {
        await this.fill(held.dir, mount, seed, signal);
        const now = new Date();
        // The age by which unused caches are found.
        utimesSync(base, now, now);
        return held;
      } catch (error) {
        await held[Symbol.asyncDispose]();
        throw error;
      }
    } catch (error) {
      throw storeError(error, base);
    }
  }

  private async hold(base: string, mount: CacheMountOp, signal: AbortSignal): Promise<CacheMount> {
    if (mount.sharing === 'shared') return { dir: join(base, '0'), [Symbol.asyncDispose]: async () => undefined };
    for (;;) {
      throwIfAborted(signal);
      // A private mount takes the first directory that nobody holds.
      const candidates = mount.sharing === 'private' ? countedNames(base) : ['0'];
      for (const name of candidates) {
        const lock = tryLock(base, name);
        if (lock !== undefined) {
          return {
            dir: join(base, name),
            [Symbol.asyncDispose]: async () => rmSync(lock, { recursive: true, force: true }),
          };
        }
      }
      await delay(POLL_MS + (process.pid % POLL_MS) / 4, undefined, { signal }).catch(() => throwIfAborted(signal));
    }
  }

  /** Makes the directory if it does not exist: whole, or not at all. */
  private async fill(
    dir: string,
    mount: CacheMountOp,
    seed: CacheSeed | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (exists(dir)) return;
    const made = `${dir}.new-${this.deps.newId()}`;
    mkdirSync(made, { mode: 0o700 });
    try {
      if (seed !== undefined) await this.copySeed(made, seed, signal);
      const { mode, uid, gid } = seed === undefined ? { ...mount, mode: mount.mode & ~UMASK } : rootOf(seed);
      giveTo(made, uid, gid);
      chmodSync(made, mode & MODE_BITS);
      renameSync(made, dir);
    } catch (error) {
      rmSync(made, { recursive: true, force: true });
      // Another one was faster, and has used it since.
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    }
  }

  private async copySeed(dir: string, { tree, source, identity }: CacheSeed, signal: AbortSignal): Promise<void> {
    const files = await this.deps.files();
    await using writer = files.openWriter({ kind: 'directory', path: dir }, { signal });
    const destination = new Destination(new EmptyTree(), writer);
    const action: Parameters<typeof copySource>[0] = {
      kind: 'copy',
      input: 0,
      selection: { source: source.path, wildcard: false, exclude: [] },
      destination: '/',
      parents: false,
      unpack: false,
      resetOwner: identity === undefined,
    };
    await copySource(action, source, { tree, destination, owner: undefined, signal });
    await writer.close();
  }
}

/** Mounts that ask for another mode or owner have a cache of their own, as in BuildKit. */
function emptyStart({ mode, uid, gid }: CacheMountOp): unknown {
  return mode === DEFAULT_MODE && uid === 0 && gid === 0 ? undefined : { mode, uid, gid };
}

/** A cache with an initial content is what that is, whatever mode and owner the mount asks for. */
function rootOf({ source, identity }: CacheSeed): {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
} {
  const root = source.entries[0]?.entry;
  if (root?.type !== 'directory') return { mode: DEFAULT_MODE, uid: 0, gid: 0 };
  return identity === undefined ? { mode: root.mode, uid: 0, gid: 0 } : root;
}

/** The directories that exist, and the next one. */
function countedNames(base: string): string[] {
  const numbers = readdirSync(base)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return Array.from({ length: Math.max(-1, ...numbers) + 2 }, (_, number) => String(number));
}

/** The lock on directory `name` of `base`, if nobody living has it. */
function tryLock(base: string, name: string): string | undefined {
  const self = currentOwner();
  const prefix = `${name}.`;
  const others = (): string[] =>
    readdirSync(base).filter((entry) => entry.startsWith(prefix) && !entry.includes('.new-'));
  for (const other of others()) {
    if (!isAbandoned(other, self)) return undefined;
    removeLock(join(base, other));
  }
  const lock = join(base, ownedName(name, self));
  try {
    mkdirSync(lock);
  } catch (error) {
    // Another RUN of this process has it.
    if (errnoOf(error) === 'EEXIST') return undefined;
    throw error;
  }
  // Of two that come at the same time both see each other, and at least one leaves.
  if (others().length > 1) {
    removeLock(lock);
    return undefined;
  }
  return lock;
}

function removeLock(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
