/**
 * From a parsed Dockerfile to what has to be done: `compile(dockerfile, options)` gives a `BuildPlan`.
 *
 * The plan's graph makes the file system; its config is what the image will say about itself. The frontend reads base images' configs
 * through `BaseResolver` and nothing else from outside.
 */
import type { Digest } from '../core/digest.ts';
import type { Platform } from '../core/platform.ts';
import type { SourceRange } from '../core/source.ts';
import type { Reference } from '../oci/reference.ts';
import type { ImageConfig } from '../oci/types.ts';
import type { Op } from '../solver/op.ts';
import type { Vertex } from '../solver/types.ts';

/** A base image as far as a build needs to know it before anything runs. */
export interface ResolvedBase {
  /** Full name, as in `ImageOp.reference`. */
  readonly reference: string;
  /** Digest of the manifest for the platform. */
  readonly manifest: Digest;
  readonly config: ImageConfig;
}

/** Finds base images: in the store, in a registry. Throws `image-not-found`, `registry-*` or `platform-not-found`. */
export type BaseResolver = (reference: Reference, platform: Platform) => Promise<ResolvedBase>;

export interface CompileOptions {
  readonly resolveBase: BaseResolver;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** Stage name or number; the last stage when absent. */
  readonly target?: string;
  readonly targetPlatform: Platform;
  readonly buildPlatform: Platform;
  /** `true`: no stage asks the cache. */
  readonly noCache: boolean;
  /** The network of a RUN that does not say. */
  readonly network: 'default' | 'none' | 'host';
  /** `--label`: set last. */
  readonly labels: ReadonlyMap<string, string>;
}

/** One line of history to be; those with a layer are in the order of the layers that the graph adds to the base's. */
export interface PlannedHistory {
  readonly createdBy: string;
  readonly comment?: string;
  readonly emptyLayer: boolean;
}

export interface CompileWarning {
  /** Docker's name of the rule, where it is one. */
  readonly rule?: string;
  readonly message: string;
  readonly range?: SourceRange;
}

export interface BuildPlan {
  /** Makes the target's file system. */
  readonly root: Vertex<Op>;
  /** The image below the target's own layers; absent for `FROM scratch`. */
  readonly base?: ResolvedBase;
  readonly platform: Platform;
  /** Config without `rootfs`, `history` and `created`, which depend on the layers. */
  readonly config: Omit<ImageConfig, 'rootfs' | 'history' | 'created'>;
  /** After the base's own history. */
  readonly history: readonly PlannedHistory[];
  readonly warnings: readonly CompileWarning[];
}
