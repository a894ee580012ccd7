/** Solving a plan's graph with this store's executor and cache. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createContentMemo } from '../cache/content-memo.ts';
import { createCacheStorage } from '../cache/storage.ts';
import type { FileTree } from '../core/tree.ts';
import { createResultCodec } from '../executor/codec.ts';
import { createExecutor } from '../executor/handler.ts';
import type { BuildResult, RemoteSources, SessionValues } from '../executor/types.ts';
import type { BuildPlan } from '../frontend/types.ts';
import { createSolver } from '../solver/job.ts';
import type { Op } from '../solver/op.ts';
import type { Services } from './services.ts';
import { StorePaths } from './services.ts';
import type { CallOptions } from './types.ts';

/** What the client has for a build: directories by name, the build context as `context`, and values that enter no key. */
export interface ClientSide {
  readonly locals: ReadonlyMap<string, FileTree>;
  readonly session: Omit<SessionValues, 'proxyEnv'>;
  readonly remotes: RemoteSources;
}

/** The file system of a plan's target. Settles when nothing of the build runs any more. */
export async function solve(
  services: Services,
  plan: BuildPlan,
  { locals, session, remotes }: ClientSide,
  { signal, progress }: CallOptions,
): Promise<BuildResult> {
  const { root, snapshots, parallelism } = services;
  const cacheDir = join(root, StorePaths.cache);
  const memo = createContentMemo({ dir: cacheDir });
  await using executor = createExecutor({
    snapshots,
    memo,
    files: services.files,
    runtime: services.runtime,
    unpacker: services.unpacker,
    remotes: async () => remotes,
    locals,
    session: { ...session, proxyEnv: plan.proxyEnv },
    root,
    onWarning: (message) => progress({ kind: 'warning', message, timeMs: Date.now() }),
    newId: () => randomBytes(16).toString('hex'),
  });
  const solver = createSolver<Op, BuildResult>({
    handler: executor,
    storage: createCacheStorage({ dir: cacheDir, codec: createResultCodec(snapshots) }),
    parallelism,
  });
  try {
    const { result } = await solver.solve({ target: plan.root, signal }, progress);
    return result;
  } finally {
    await memo.save();
  }
}
