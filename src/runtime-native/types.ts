/**
 * What a container is told and what comes back.
 *
 * Life of a container: the caller describes it in a `ContainerSpec`; `NativeRuntime.run` hands the description to the native binary,
 * which makes the namespaces, mounts the root and everything below it in its own mount namespace, and becomes the process.
 * When `run` settles, the process and everything it started are gone, no mount and no cgroup is left, and an overlay's `upper` holds
 * exactly what the process wrote: the mount points that only the runtime needed are removed again.
 */

/** The root filesystem; all paths are absolute host paths. */
export type RootfsSpec =
  | {
      readonly kind: 'overlay';
      /** Layer directories in overlay form, lowest first; may be empty (`FROM scratch`). */
      readonly lower: readonly string[];
      readonly upper: string;
      /** An empty directory on the file system of `upper`. */
      readonly work: string;
      /** Skip the sync at unmount; for a RUN, whose snapshot is thrown away when it does not end well. */
      readonly volatile: boolean;
    }
  | { readonly kind: 'directory'; readonly path: string };

/** Where the runtime finds a mount's content, and where it goes. `target` is an absolute path in the container. */
export type MountSpec =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
      readonly recursive: boolean;
    }
  | {
      /** A directory stack mounted read-write with its writes dropped at the end, or read-only when `upper` is absent. */
      readonly kind: 'overlay';
      readonly lower: readonly string[];
      /** Host directory for the writes; absent for a read-only mount. */
      readonly upper?: string;
      readonly work?: string;
      readonly target: string;
      /** A path below the merged root that is mounted instead of the root; resolved inside it. */
      readonly subpath?: string;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly sizeBytes?: number;
      readonly mode?: number;
      readonly readonly: boolean;
    };

export interface Rlimit {
  /** Name without `RLIMIT_`, lower case: `nofile`. */
  readonly name: string;
  /** -1n is unlimited. */
  readonly soft: bigint;
  readonly hard: bigint;
}

/** What a container may use of the machine; what is absent is not limited. Carried out by control groups. */
export interface ContainerResources {
  readonly memoryBytes?: number;
  /** What the container keeps under pressure. */
  readonly memoryReservationBytes?: number;
  /** Memory and swap together; `same`: as much swap as memory, where the kernel counts it. */
  readonly memorySwapBytes?: number | 'unlimited' | 'same';
  /** 0 to 100; version 1 only. */
  readonly memorySwappiness?: number;
  /** Processes wait instead of being killed when the memory is used up; version 1 only. */
  readonly oomKillDisable?: boolean;
  /** Relative weight, 1024 by default. */
  readonly cpuShares?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuQuotaUs?: number | 'unlimited';
  /** Lists such as `0-2,5`. */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pids?: number | 'unlimited';
  /** Group to make the container's in: from the top of the hierarchies if absolute, else from the caller's. */
  readonly parent?: string;
  /** Have `stats` tell what costs further groups with version 1: processor time, processes, input and output. */
  readonly accounting?: boolean;
}

/** A process whose network is shared; by its start time no later one with the same pid is taken for it. */
export interface NetworkProcess {
  readonly pid: number;
  /** Clock ticks from boot. */
  readonly startTicks: string;
}

export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp';
  /** An IPv4 address of the host; `0.0.0.0` is all of them. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

export interface ContainerSpec {
  /** Unique on this machine; `[a-z0-9][a-z0-9_.-]*`. Names the cgroup. */
  readonly id: string;
  readonly rootfs: RootfsSpec;
  readonly readonlyRootfs: boolean;
  readonly args: readonly string[];
  /** `NAME=value`, later ones win. The runtime adds PATH and HOME by the rules of the spec when they are missing. */
  readonly env: readonly string[];
  /** Absolute path in the container; created (0755) when missing. */
  readonly cwd: string;
  /** Who owns a created `cwd`: the process's user for RUN, root for run. */
  readonly cwdOwner: 'user' | 'root';
  /** `''`, `user`, `uid`, `user:group` and so on; looked up in the container's /etc/passwd and /etc/group. */
  readonly user: string;
  readonly hostname: string;
  /**
   * `none`: a network namespace of its own with only the loopback, up. `bridge`: one that also has an address on the bridge, see
   * `ContainerRuntime.network`. `host`: the caller's. A process: the one that it is in.
   */
  readonly network: 'none' | 'host' | 'bridge' | NetworkProcess;
  /** Ports of the host that lead to the container, which must be on the bridge. Whether they are free is the caller's to know. */
  readonly ports?: readonly PublishedPort[];
  /**
   * A `step` only uses its network, and others like it are out of its reach. A `service` can be reached by other containers, and any
   * user in it may open low ports and ping.
   */
  readonly networkRole: 'step' | 'service';
  /** In this order, after the default mounts. */
  readonly mounts: readonly MountSpec[];
  /** Host files bound at /etc/hosts, /etc/resolv.conf, /etc/hostname; read-only for RUN. */
  readonly etcFiles: {
    readonly hosts?: string;
    readonly resolvConf?: string;
    readonly hostname?: string;
    readonly readonly: boolean;
    /** A line with the container's address on the bridge and this name is added to `hosts`, which must be this container's own. */
    readonly ownName?: string;
  };
  readonly shmSizeBytes: number;
  readonly rlimits: readonly Rlimit[];
  readonly resources?: ContainerResources;
  /** -1000 to 1000; absent: the caller's, but not below 0. */
  readonly oomScoreAdj?: number;
  readonly noNewPrivileges: boolean;
  /** Everything allowed: all capabilities, no seccomp, no masked paths. Only ever on the user's explicit request. */
  readonly insecure: boolean;
  /** The container's stdio is a terminal of its own; needs `stdio: 'inherit'`. */
  readonly terminal: boolean;
  /** The command is started by an init that takes up orphans, passes signals on and ends as the command does. */
  readonly init?: boolean;
  /** Remove files and directories that were only made as mount points, as for RUN. */
  readonly removeStubs: boolean;
}

/** How the container's stdio is connected. */
export type ContainerStdio =
  | {
      readonly kind: 'pipe';
      readonly onStdout: (chunk: Uint8Array) => void;
      readonly onStderr: (chunk: Uint8Array) => void;
    }
  /** The caller's own descriptors; with `openStdin` false the container's stdin is empty. */
  | { readonly kind: 'inherit'; readonly openStdin: boolean };

export interface ContainerExit {
  /** The process's exit code, or 128 + signal. */
  readonly code: number;
  /** Whether the kernel killed a process of the container for want of memory. */
  readonly oomKilled: boolean;
}

export interface RunOptions {
  readonly stdio: ContainerStdio;
  /** Abort kills everything in the container; `run` then rejects with `cancelled`, after the cleanup. */
  readonly signal?: AbortSignal;
  /** Called once the process runs, with a function that sends it a signal. */
  readonly onStarted?: (container: RunningContainer) => void;
}

export interface RunningContainer {
  /** Host pid of the container's first process. */
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** What it uses now. Rejects with `container-not-running`. */
  stats(): Promise<ContainerStats>;
  /** Stops all its processes until `unpause`; a SIGKILL still ends it. Rejects with `container-not-running` and `runtime-failed`. */
  pause(): Promise<void>;
  unpause(): Promise<void>;
}

/** What is absent is not counted for the container: its groups lack the controller. */
export interface ContainerStats {
  readonly memory: {
    readonly currentBytes?: number;
    readonly peakBytes?: number;
    readonly limitBytes?: number;
    readonly swapBytes?: number;
    readonly anonBytes?: number;
    readonly fileBytes?: number;
    readonly inactiveFileBytes?: number;
    readonly kernelBytes?: number;
  };
  readonly cpu: {
    readonly usageUs?: number;
    readonly userUs?: number;
    readonly systemUs?: number;
    readonly periods?: number;
    readonly throttledPeriods?: number;
    readonly throttledUs?: number;
  };
  readonly pids: { readonly current?: number; readonly limit?: number };
  readonly io: {
    readonly readBytes?: number;
    readonly writtenBytes?: number;
    readonly readOperations?: number;
    readonly writeOperations?: number;
  };
}

/** Whether containers can have a network of their own. */
export type BridgeState =
  /** `gateway` is where the host is reached from it. */
  { readonly kind: 'available'; readonly gateway: string } | { readonly kind: 'unavailable'; readonly reason: string };

/** The bridge of containers, which is made with the first user and removed with the last. */
export interface BridgeConfig {
  readonly name: string;
  /** `ADDRESS/PREFIX`; default: one that no route has anything to do with. */
  readonly subnet?: string;
}

/** Starts containers. The native binary fulfils it; tests may put a recorder in its place. */
export interface ContainerRuntime {
  /**
   * Runs a container to its end. Resolves with the exit of the process, whatever its code. Rejects with `run-start-failed`,
   * `command-not-found`, `command-not-executable`, `unknown-user`, `path-conflict`, `runtime-failed` or `cancelled`.
   */
  run(spec: ContainerSpec, options: RunOptions): Promise<ContainerExit>;

  /** Tries the network that `network: 'bridge'` is about, once; it then stays until `close`. */
  network(): Promise<BridgeState>;

  /** Ends what was started for containers, and those that still run. Resolves when nothing of it is left. */
  close(): Promise<void>;
}
