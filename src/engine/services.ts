/**
 * The parts of the engine over one store, each made when it is first asked for.
 *
 * What a fully cached build does not use (registry client, layer code, native processes) is not even loaded.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Lease } from '../cache/lease.ts';
import { openContentStore } from '../content/fs-store.ts';
import type { ContentStore } from '../content/types.ts';
import { makeDirectories } from '../core/directories.ts';
import { BuildError, errnoOf } from '../core/errors.ts';
import { storeError } from '../core/store-errors.ts';
import type { ImageUnpacker } from '../executor/types.ts';
import { Origins, OriginTracker } from '../image/origins.ts';
import { openImageStore } from '../image/store.ts';
import type { ImageSource, ImageStore } from '../image/types.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';
import type { ContainerRuntime } from '../runtime-native/types.ts';
import { createSnapshotStore } from '../snapshot/store.ts';
import type { SnapshotStore } from '../snapshot/types.ts';
import type { EngineOptions } from './types.ts';

export interface Services {
  /** The store's directory. */
  readonly root: string;
  /** Running commands at a time. */
  readonly parallelism: number;
  readonly content: ContentStore;
  readonly images: ImageStore;
  readonly snapshots: SnapshotStore;
  readonly files: () => Promise<NativeFiles>;
  readonly runtime: () => Promise<ContainerRuntime>;
  readonly registry: () => Promise<ImageSource>;
  readonly origins: Origins;
  readonly unpacker: () => Promise<ImageUnpacker>;
  /** To be held by whatever reads or adds to the store while others may prune it. */
  readonly lease: () => Promise<Lease>;
  /** Ends what keeps the process alive, such as kept connections, and what was started for containers. */
  close(): Promise<void>;
}

/** Directories of the store that more than one part knows. */
export const StorePaths = {
  cache: 'cache',
  /** What is known of URLs; the files are blobs. */
  downloads: 'cache/http',
  /** Repositories and what is checked out of them. */
  git: 'git',
  leases: 'leases',
  containers: 'containers',
  volumes: 'volumes',
} as const;

/** Opens the store at `options.root`, making it when missing. Throws `store-unwritable` and `store-full`. */
export async function openServices(options: EngineOptions): Promise<Services> {
  const { root } = options;
  try {
    // Others must not reach setuid files of layers through it (CVE-2021-41091).
    await makeDirectories(root, 0o710);
  } catch (error) {
    const known = storeError(error, root);
    if (known instanceof BuildError || errnoOf(error) === undefined) throw known;
    throw new BuildError(
      'store-unwritable',
      `Cannot make the store "${root}": the file system refuses it (${errnoOf(error)})`,
      {
        hint: 'choose another directory with --root or $TSBUILD_ROOT',
        cause: error,
      },
    );
  }
  const content = openContentStore(root);
  const stacking = options.snapshotter === undefined ? {} : { snapshotter: options.snapshotter };
  const files = once(async () => {
    const [{ createNativeFiles }, { findRuntimeBinary }] = await Promise.all([
      import('../runtime-native/files.ts'),
      import('../runtime-native/binary.ts'),
    ]);
    return createNativeFiles({ binaryPath: findRuntimeBinary(), ...stacking });
  });
  const snapshots = createSnapshotStore({
    root,
    scanLayer: async (dir) => (await files()).scanLayer(dir),
    removeTree: async (path) => (await files()).removeTree(path),
  });
  const origins = new Origins(root);
  const client = once(async () => {
    const [{ openRegistrySource }, { proxyRule }] = await Promise.all([
      import('../registry/pull.ts'),
      import('../core/proxy.ts'),
    ]);
    return openRegistrySource({ content, proxy: proxyRule(process.env) });
  });
  const external =
    options.ociRuntime === undefined
      ? undefined
      : await (
          await import('../runtime-native/external.ts')
        ).findExternalRuntime(options.ociRuntime, process.env['PATH']);
  const runtime = once(async () => {
    const [{ createNativeRuntime }, { findRuntimeBinary }] = await Promise.all([
      import('../runtime-native/runtime.ts'),
      import('../runtime-native/binary.ts'),
    ]);
    return createNativeRuntime({
      binaryPath: findRuntimeBinary(),
      ...stacking,
      ...(options.bridge !== undefined && { bridge: options.bridge }),
      ...(external !== undefined && { external }),
    });
  });
  const registry = once(async () => new OriginTracker(origins, await client()));
  return {
    root,
    parallelism: options.parallelism ?? availableParallelism(),
    content,
    images: openImageStore(root, { content }),
    snapshots,
    files,
    runtime,
    registry,
    origins,
    unpacker: once(async () => {
      const { createUnpacker } = await import('../image/unpack.ts');
      return createUnpacker({ content, snapshots, files: await files(), source: registry });
    }),
    lease: async () => {
      const { acquireLease } = await import('../cache/lease.ts');
      return acquireLease(join(root, StorePaths.leases));
    },
    async close() {
      if (client.started) (await client()).close();
      if (runtime.started) await (await runtime()).close();
    },
  };
}

/** `make` called at the first call, and its promise again at the others; a failure is not kept. */
function once<T>(make: () => Promise<T>): (() => Promise<T>) & { readonly started: boolean } {
  let made: Promise<T> | undefined;
  const get = (): Promise<T> => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return Object.defineProperty(get, 'started', { get: () => made !== undefined }) as typeof get & {
    readonly started: boolean;
  };
}
