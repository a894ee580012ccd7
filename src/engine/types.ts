/**
 * The engine's API: what a command line or a server asks for. Everything is plain data in and out; progress arrives as events.
 */
import type { ContainerRequest, PortRequest, VolumeRequest } from '../container/types.ts';
import type { Digest } from '../core/digest.ts';
import type { BuildError } from '../core/errors.ts';
import type { ProgressSink } from '../core/progress.ts';
import type { Snapshotter } from '../core/snapshotter.ts';
import type { SourceFile, SourceRange } from '../core/source.ts';
import type { Outline, Target } from '../frontend/outline.ts';
import type { BridgeConfig } from '../runtime-native/types.ts';
import type { ContainerConfig, Descriptor, HistoryEntry, ImageConfig } from '../oci/types.ts';
import type { ContainerResources, PublishedPort } from '../runtime-native/types.ts';

export interface EngineOptions {
  /** The store's directory; created when missing. */
  readonly root: string;
  /** Running commands at a time; default: the number of processors. */
  readonly parallelism?: number;
  /** The network of containers; default: `tsbuild0`, with addresses that are free. */
  readonly bridge?: BridgeConfig;
  /** Default: `auto`. */
  readonly snapshotter?: Snapshotter;
  /** OCI runtime that makes the containers, an absolute path or a command of the search path; default: the native one. */
  readonly ociRuntime?: string;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** Where the files of a build come from. */
export type ContextSource =
  | { readonly kind: 'directory'; readonly path: string }
  /** A repository, or a tar or Dockerfile by HTTP. */
  | { readonly kind: 'remote'; readonly url: string }
  /** A tar (plain or compressed) or, when it isn't one, a Dockerfile without a context: `-`. */
  | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array> };

export type DockerfileSource =
  /** `Dockerfile` (or `dockerfile`) in the context. */
  | { readonly kind: 'default' }
  /** `-f`: relative to the client's working directory, already made absolute; `shown` is what the user wrote. */
  | { readonly kind: 'path'; readonly path: string; readonly shown: string }
  /** `-f https://...`. */
  | { readonly kind: 'url'; readonly url: string }
  /** `-f -`. */
  | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array> };

export interface BuildRequest {
  readonly context: ContextSource;
  readonly dockerfile: DockerfileSource;
  readonly tags: readonly string[];
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly target?: string;
  readonly platform?: string;
  readonly noCache: boolean;
  /** Ask the registry for newer base images even if the store has the name. */
  readonly pull: boolean;
  /** RUN's network unless it says otherwise. */
  readonly network: 'default' | 'none' | 'host';
  readonly labels: ReadonlyMap<string, string>;
  /** By id; files are read once, when the build begins. */
  readonly secrets?: ReadonlyMap<string, SecretInput>;
  /** SSH agents by id, "default" also for repositories; files of keys are read once, when the build begins. */
  readonly sshAgents?: ReadonlyMap<string, SshAgentInput>;
  /** By name, or `name::platform` for one platform only; they replace images and stages of that name. */
  readonly namedContexts?: ReadonlyMap<string, NamedContextSource>;
  /** Further lines of RUN's /etc/hosts; `host-gateway` as an address is the host's, as a step reaches it. */
  readonly extraHosts?: readonly { readonly name: string; readonly address: string }[];
  /** Of RUN's /dev/shm. */
  readonly shmSizeBytes?: number;
  /** Of RUN; -1 is unlimited. */
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** What each RUN may use of the machine; in no key. */
  readonly resources?: ContainerResources;
  /** What a RUN may ask for beyond the usual. */
  readonly entitlements?: ReadonlySet<'network.host' | 'security.insecure'>;
  /** Names of stages that are run anew. */
  readonly noCacheStages?: readonly string[];
  /** Of the image's manifest. */
  readonly annotations?: ReadonlyMap<string, string>;
}

export type SecretInput =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'value'; readonly value: Uint8Array };

export type SshAgentInput =
  | { readonly kind: 'socket'; readonly path: string }
  /** Private keys, for an agent of the build's own. */
  | { readonly kind: 'keys'; readonly paths: readonly string[] };

/** What `--build-context` names. */
export type NamedContextSource =
  | { readonly kind: 'directory'; readonly path: string }
  /** A repository, or a tar by HTTP. */
  | { readonly kind: 'remote'; readonly url: string }
  | { readonly kind: 'image'; readonly reference: string }
  /** A stage of the same Dockerfile. */
  | { readonly kind: 'target'; readonly stage: string }
  /** An image of an OCI image layout; without tag and digest `latest`, or the only one. */
  | { readonly kind: 'oci-layout'; readonly path: string; readonly tag?: string; readonly digest?: Digest };

export interface BuildWarning {
  readonly message: string;
  readonly range?: SourceRange;
}

export interface BuildOutcome {
  /** Digest of the config. */
  readonly imageId: Digest;
  readonly manifest: Descriptor;
  /** Names as Docker shows them. */
  readonly names: readonly string[];
  readonly warnings: readonly BuildWarning[];
}

export interface InspectOptions {
  /** The store's directory, where base images may be; it is only read, and need not be there. */
  readonly root: string;
  readonly signal: AbortSignal;
}

/** What is asked about; the rest of a build request has no say here. */
export type InspectRequest = Pick<
  BuildRequest,
  | 'context'
  | 'dockerfile'
  | 'buildArgs'
  | 'target'
  | 'platform'
  | 'secrets'
  | 'sshAgents'
  | 'namedContexts'
  | 'network'
  | 'entitlements'
>;

export interface CheckedFinding {
  readonly rule: string;
  readonly description: string;
  /** Docker's page about the rule. */
  readonly url?: string;
  readonly message: string;
  readonly range: SourceRange;
}

export interface CheckReport {
  readonly file: SourceFile;
  /** In the order of finding. */
  readonly findings: readonly CheckedFinding[];
  /** Why there would be no build; findings come from what was looked at before. */
  readonly error?: BuildError;
}

/** Answers questions about a build without an engine. */
export interface BuildInspector {
  /** Checks the target and what it needs, or all stages without one. Throws only if there is no Dockerfile to check. */
  check(request: InspectRequest, options: InspectOptions): Promise<CheckReport>;
  /** The parameters of the target. Throws what is wrong with the Dockerfile as far as that matters. */
  outline(
    request: InspectRequest,
    options: InspectOptions,
  ): Promise<{ readonly file: SourceFile; readonly outline: Outline }>;
  /** The stages of the Dockerfile. Throws only if it cannot be parsed. */
  targets(
    request: InspectRequest,
    options: InspectOptions,
  ): Promise<{ readonly file: SourceFile; readonly targets: readonly Target[] }>;
}

/** `-v [SOURCE:]TARGET[:ro|rw]`. */
export type VolumeOption = VolumeRequest;

/** `-p`; without a host port, one that is free. */
export type PortOption = PortRequest;

export interface RunRequest extends Omit<ContainerRequest, 'network'> {
  /** `default` is the bridge or, where there can be none, the host's network. */
  readonly network: 'default' | 'none' | 'host' | 'bridge' | { readonly container: string };
  /** Name or ID. */
  readonly image: string;
  readonly pull: 'missing' | 'always' | 'never';
}

export interface RunOutcome {
  readonly containerId: string;
  readonly exitCode: number;
}

/** A line of `images`. */
export interface ImageSummary {
  /** Familiar repository, or `<none>`. */
  readonly repository: string;
  readonly tag: string;
  readonly id: Digest;
  readonly createdAt: string | undefined;
  /** Of all layers, uncompressed, in bytes; undefined where a layer was never unpacked. */
  readonly sizeBytes: number | undefined;
}

/** A line of `history`, newest first. */
export interface HistoryLine {
  /** The image's ID for the newest line, else `<missing>`. */
  readonly id: string;
  readonly entry: HistoryEntry;
  readonly sizeBytes: number;
}

/** What `inspect` shows, in Docker's form. */
export interface ImageInspection {
  readonly Id: Digest;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Created: string | undefined;
  readonly Author: string;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly Size: number;
  readonly Config: ContainerConfig;
  readonly RootFS: { readonly Type: 'layers'; readonly Layers: ImageConfig['rootfs']['diff_ids'] };
  readonly Descriptor: Descriptor;
}

export interface RemovedImage {
  readonly untagged: readonly string[];
  readonly deleted: readonly string[];
}

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly createdAtMs: number;
  /** What is published now. */
  readonly ports: readonly PublishedPort[];
  readonly state:
    { readonly kind: 'running'; readonly pid: number } | { readonly kind: 'exited'; readonly code: number };
}

export interface PruneRequest {
  /** Also images that no container uses, not only unnamed ones; and all build cache. */
  readonly all: boolean;
}

export interface PruneOutcome {
  readonly removedImages: readonly string[];
  readonly removedContainers: readonly string[];
  readonly removedRecords: number;
  /** On disk, as `du` counts. */
  readonly reclaimedBytes: number;
}

export interface Engine extends AsyncDisposable {
  build(request: BuildRequest, options: CallOptions): Promise<BuildOutcome>;
  /** Runs a container on the caller's stdio until it ends. */
  run(request: RunRequest, options: CallOptions): Promise<RunOutcome>;
  containers(): Promise<ContainerSummary[]>;
  /** The published ports of a container, by name or ID; throws `container-not-found`. */
  containerPorts(nameOrId: string): Promise<readonly PublishedPort[]>;
  /** Removes stopped containers by name or ID; throws `container-not-found`, `container-in-use`. */
  removeContainer(nameOrId: string, force: boolean): Promise<string>;
  images(): Promise<ImageSummary[]>;
  tag(source: string, target: string): Promise<void>;
  removeImage(nameOrId: string, force: boolean): Promise<RemovedImage>;
  inspect(nameOrId: string): Promise<ImageInspection>;
  history(nameOrId: string): Promise<HistoryLine[]>;
  /** Writes images as one archive that `docker load` and OCI tools read; a path gets it whole or not at all. */
  save(
    images: readonly string[],
    output: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'stdout' },
    options: CallOptions,
  ): Promise<void>;
  /** Loads a docker-archive, an OCI archive (path or stream) or an OCI layout directory; returns the names, or IDs of unnamed images. */
  load(
    input:
      | { readonly kind: 'path'; readonly path: string }
      | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array> },
    options: CallOptions,
  ): Promise<string[]>;
  /** Makes an image of one layer from a root filesystem tar; `changes` are Dockerfile instructions such as `CMD ["sh"]`. */
  import(
    input:
      | { readonly kind: 'path'; readonly path: string }
      | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array> },
    reference: string | undefined,
    changes: readonly string[],
    options: CallOptions & { readonly message?: string; readonly platform?: string },
  ): Promise<Digest>;
  pull(
    reference: string,
    platform: string | undefined,
    options: CallOptions,
  ): Promise<{ readonly name: string; readonly digest: Digest; readonly upToDate: boolean }>;
  prune(request: PruneRequest, options: CallOptions): Promise<PruneOutcome>;
}
