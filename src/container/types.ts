/**
 * Containers: commands that run on an image's files.
 *
 * `run` makes a record in `<root>/containers/<id>/`, gives the container a writable layer there, starts the runtime on the caller's stdio and
 * waits for the end. The record stays, and with it what the container wrote, until `remove` or, with `remove: true`, the end of the run.
 *
 *     config.json   what was asked for; never changes
 *     state.json    what became of it
 *     fs/ work/     the writable layer, for overlay
 *     etc/          hosts, resolv.conf and hostname, bound into the container
 *
 * `<root>/container-names/<name>` is a link to the ID that has the name. A record whose process has died without a word (a crash, a power
 * cut) counts as ended: states name the process by pid, start time and boot, so that another process with the same pid is not taken for it.
 */
import type { Digest } from '../core/digest.ts';
import type { FileTree } from '../core/tree.ts';
import type { ImageConfig } from '../oci/types.ts';
import type { HostName } from '../runtime-native/network.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';
import type { ContainerResources, ContainerRuntime, NetworkProcess, PublishedPort } from '../runtime-native/types.ts';

/** An image that is unpacked and must stay so while the container exists. */
export interface ContainerImage {
  readonly id: Digest;
  /** What the user called it. */
  readonly name: string;
  readonly config: ImageConfig;
  /** Layer directories in overlay form, lowest first. */
  readonly layers: readonly string[];
  /** The merged files of `layers`; called when a volume is to be filled from them. */
  readonly view: () => FileTree;
}

export interface VolumeRequest {
  /** Absolute host path, or the name of a volume; absent for an anonymous volume. */
  readonly source?: string;
  /** Absolute and clean, not `/`. */
  readonly target: string;
  readonly readonly: boolean;
}

/** `hostPort` absent: one that is free. */
export type PortRequest = Omit<PublishedPort, 'hostPort'> & { readonly hostPort?: number };

/** The network of another container, with its names and addresses. */
export interface SharedNetwork {
  /** The container that the network was made for. */
  readonly ownerId: string;
  readonly process: NetworkProcess;
  readonly hostname: string;
}

export interface ContainerRequest {
  /** Replaces the image's CMD when not empty. */
  readonly command: readonly string[];
  /** Replaces the image's ENTRYPOINT and clears CMD; `''` clears both. */
  readonly entrypoint?: string;
  /** `NAME=value`, later ones win; `NAME` alone takes the image's variable away. */
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly volumes: readonly VolumeRequest[];
  readonly network: 'none' | 'host' | 'bridge' | SharedNetwork;
  /** What is published of the container, which must be on the bridge. */
  readonly ports?: readonly PortRequest[];
  /** Publishes every port that the image exposes, where `ports` does not, at one that is free. */
  readonly publishAll?: boolean;
  /** An init is the first process, and starts the command. */
  readonly init?: boolean;
  /** Further lines of /etc/hosts. */
  readonly extraHosts: readonly HostName[];
  readonly resources?: ContainerResources;
  readonly oomScoreAdj?: number;
  /** Remove the container and its anonymous volumes at the end, however it ends. */
  readonly remove: boolean;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly name?: string;
}

/** What is written down of a container before it starts. */
export interface ContainerRecord {
  readonly version: 1;
  readonly id: string;
  readonly name: string;
  readonly image: { readonly id: Digest; readonly name: string };
  readonly args: readonly string[];
  readonly createdAtMs: number;
  readonly remove: boolean;
  /** Names of volumes that go with the container. */
  readonly anonymousVolumes: readonly string[];
  readonly ports?: readonly PublishedPort[];
  /** The container whose network this one shares. */
  readonly networkOwnerId?: string;
}

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process. */
  readonly startTicks: string;
  readonly bootId: string;
  /** Inode of the pid namespace that `pid` is a number of. */
  readonly pidNamespace: string;
}

export type ContainerState =
  /** `process` is the tsbuild process that is about to start it. */
  | { readonly kind: 'created'; readonly process: ProcessIdentity }
  | { readonly kind: 'running'; readonly process: ProcessIdentity; readonly startedAtMs: number }
  | { readonly kind: 'exited'; readonly code: number; readonly endedAtMs: number };

export interface ContainerInfo {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: Digest;
  readonly command: readonly string[];
  readonly createdAtMs: number;
  /** What is published now. */
  readonly ports: readonly PublishedPort[];
  readonly state:
    { readonly kind: 'running'; readonly pid: number } | { readonly kind: 'exited'; readonly code: number };
}

/** What the runner takes from the machine. */
export interface ContainerHost {
  /** The text of a file, or undefined if there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
  /** A process of this pid namespace; undefined once it is gone. */
  readonly identify: (pid: number) => Promise<ProcessIdentity | undefined>;
  readonly kill: (pid: number, signal: NodeJS.Signals) => void;
  /** Of this process. */
  readonly pid: number;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
}

export interface ContainerDeps {
  /** The store's directory; `containers/`, `container-names/` and `volumes/` below it are made when missing. */
  readonly root: string;
  readonly runtime: ContainerRuntime;
  /** Fills volumes from the image. */
  readonly files: Pick<NativeFiles, 'openWriter'>;
  readonly host: ContainerHost;
  /** How long a container may take to end after SIGINT, SIGTERM or SIGHUP was passed on to it. */
  readonly graceMs?: number;
}

export interface ContainerRunner {
  /**
   * Runs a container on this process's stdio to its end. An abort of `signal` is passed on to the container, which is killed when it does not end
   * within the grace period. `onRecorded` is called once the record says that the container uses its image. Rejects with what the runtime rejects with, `usage` without a command, `container-in-use` for a name that is taken.
   */
  run(
    image: ContainerImage,
    request: ContainerRequest,
    signal: AbortSignal,
    onRecorded?: () => Promise<void>,
  ): Promise<{ readonly containerId: string; readonly exitCode: number }>;
  /** The network of a running container. Throws `container-not-found`, `container-not-running`. */
  sharedNetwork(nameOrId: string): Promise<SharedNetwork>;
  /** In no particular order. */
  list(): Promise<ContainerInfo[]>;
  /** By name, ID or unambiguous start of an ID. Throws `container-not-found`. */
  find(nameOrId: string): Promise<ContainerInfo>;
  /**
   * Removes a container by name, ID or unambiguous start of an ID, with its anonymous volumes; a running one only with `force`, which kills it.
   * Resolves with the ID. Throws `container-not-found`, `container-in-use`.
   */
  remove(nameOrId: string, force: boolean): Promise<string>;
  /** Removes every container that has ended and what crashed runs left; resolves with the IDs and the bytes on disk that their layers took. */
  prune(): Promise<{ readonly removed: readonly string[]; readonly reclaimedBytes: number }>;
}
