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
import type { Finding } from '../parser/lint/rules.ts';
import type { ExecOp, Op } from '../solver/op.ts';
import type { Vertex } from '../solver/types.ts';

/** A base image as far as a build needs to know it before anything runs. */
export interface ResolvedBase {
  /** Full name, as in `ImageOp.reference`. */
  readonly reference: string;
  /** Digest of the manifest for the platform. */
  readonly manifest: Digest;
  readonly config: ImageConfig;
  /** A stand-in for an image that is not at hand, for checks only: what it sets is not known. */
  readonly isUnknown?: boolean;
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
  /** Names of stages that do not ask the cache, in any case. */
  readonly noCacheStages?: readonly string[];
  /** The network of a RUN that does not say. */
  readonly network: 'default' | 'none' | 'host';
  /** `--label`: set last. */
  readonly labels: ReadonlyMap<string, string>;
  /** Whether `targetPlatform` was asked for; the image then claims it whatever its base says. */
  readonly platformRequested?: boolean;
  /** Named contexts, by name or `name::platform`; they replace images and stages of that name. */
  readonly contexts?: ReadonlyMap<string, NamedContext>;
  /** What a RUN may have beyond the usual. */
  readonly entitlements?: ReadonlySet<Entitlement>;
  /** Names of `--add-host`. */
  readonly extraHosts?: readonly string[];
  readonly shmSizeBytes?: number;
  readonly ulimits?: ExecOp['ulimits'];
  /** Look at all stages, whether the target needs them or not. */
  readonly allStages?: boolean;
  /** Whether the ignore file takes a path, as written, away from the context; for the check of COPY. */
  readonly isIgnored?: (path: string) => boolean;
  /** Told what checks find when they find it, also where compiling fails later. */
  readonly onFinding?: (finding: Finding) => void;
}

export type Entitlement = 'network.host' | 'security.insecure';

export type NamedContext =
  /** A directory of the client, the `LocalOp` of that name. */
  | { readonly kind: 'local' }
  | { readonly kind: 'image'; readonly reference: string }
  /** Of the same Dockerfile. */
  | { readonly kind: 'stage'; readonly name: string };

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
  /** What `base` was resolved for, which is not what the image is for where FROM has a platform of its own. */
  readonly basePlatform?: Platform;
  /** What the image says it is for. */
  readonly platform: Platform;
  /** Config without `rootfs`, `history` and `created`, which depend on the layers. */
  readonly config: Omit<ImageConfig, 'rootfs' | 'history' | 'created'>;
  /** After the base's own history. */
  readonly history: readonly PlannedHistory[];
  /** No time in the image's config is later, and the image is of this time: SOURCE_DATE_EPOCH, in milliseconds. */
  readonly epochMs?: number;
  /** Proxy settings among the build arguments, as `NAME=value`: for every RUN's environment, never for a key. */
  readonly proxyEnv: readonly string[];
  readonly warnings: readonly CompileWarning[];
}
