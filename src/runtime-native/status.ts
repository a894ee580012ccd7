/** The native binary's records on its status pipe, and the errors that its failures are for a user. See c/status.h and c/stage.h. */
import { constants } from 'node:os';
import type { ErrorCode } from '../core/errors.ts';
import { BuildError } from '../core/errors.ts';
import { GET_A_RANGE } from './id-range.ts';
import type { BridgeState, ContainerExit } from './types.ts';

export type StatusRecord =
  | { readonly kind: 'created'; readonly pid: number }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'failed'; readonly stage: number; readonly errno: number; readonly detail: string }
  | { readonly kind: 'exited'; readonly code: number; readonly oomKilled: boolean }
  | { readonly kind: 'answer'; readonly request: number; readonly errno: number; readonly detail: string };

/** What comes once, at the end. */
export type LastRecord = Extract<StatusRecord, { readonly kind: 'failed' | 'exited' }>;

const RECORD_BYTES = 1024;
const DETAIL_OFFSET = 16;

/** Cuts records from the bytes of the pipe. */
export class StatusReader {
  #pending: Buffer = Buffer.alloc(0);

  /** The records that `chunk` completes. */
  push(chunk: Uint8Array): StatusRecord[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const records: StatusRecord[] = [];
    while (this.#pending.length >= RECORD_BYTES) {
      records.push(parseRecord(this.#pending.subarray(0, RECORD_BYTES)));
      this.#pending = this.#pending.subarray(RECORD_BYTES);
    }
    return records;
  }
}

/** What a container came to; throws when it could not be started. */
export function exitOf(last: LastRecord): ContainerExit {
  if (last.kind === 'failed') throw startError(last);
  return { code: last.code, oomKilled: last.oomKilled };
}

/** `bytes` may lack the unused end of the record's detail. */
export function parseRecord(bytes: Buffer): StatusRecord {
  const kind = bytes.readUInt32LE(0);
  const value = bytes.readUInt32LE(4);
  const code = bytes.readInt32LE(8);
  const detail = bytes.toString(
    'utf8',
    DETAIL_OFFSET,
    DETAIL_OFFSET + Math.min(bytes.readUInt32LE(12), RECORD_BYTES - DETAIL_OFFSET),
  );
  switch (kind) {
    case 1:
      return { kind: 'started', pid: value };
    case 2:
      return { kind: 'failed', stage: value, errno: code, detail };
    case 3:
      return { kind: 'exited', code: value, oomKilled: code === 1 };
    case 5:
      return { kind: 'answer', request: value, errno: code, detail };
    case 4:
      return { kind: 'created', pid: value };
    default:
      throw new Error(`the native runtime sent a record of kind ${kind}`);
  }
}

/** The answer about the network, struct network_answer of c/channel.h and the detail of a refusal. */
export function bridgeStateOf(data: Buffer): BridgeState {
  const gateway = [...data.subarray(0, 4)];
  if (gateway.some((byte) => byte !== 0)) return { kind: 'available', gateway: gateway.join('.') };
  const code = data.readInt32LE(4);
  const detail = data.toString('utf8', 8);
  return { kind: 'unavailable', reason: code === 0 ? detail : `${detail}: ${errnoText(code)}` };
}

/** enum stage of c/stage.h. */
export const Stage = {
  spec: 1,
  supervisor: 2,
  cgroup: 3,
  clone: 4,
  isolation: 5,
  network: 6,
  rootfs: 7,
  source: 8,
  mount: 9,
  target: 10,
  pivot: 11,
  devices: 12,
  mask: 13,
  hostname: 14,
  rlimit: 15,
  unknownUser: 16,
  unknownGroup: 17,
  userRange: 18,
  userFile: 19,
  cwd: 20,
  terminal: 21,
  seccomp: 22,
  capabilities: 23,
  identity: 24,
  lookup: 25,
  exec: 26,
  hook: 27,
  sysctl: 28,
  limit: 29,
  runtime: 30,
} as const;

/** What the runtime was doing, for the stages whose failure is the machine's. */
const MACHINE_STAGES: Readonly<Record<number, string>> = {
  [Stage.supervisor]: 'watch over the process',
  [Stage.cgroup]: 'make its control group',
  [Stage.clone]: 'make its namespaces',
  [Stage.isolation]: 'isolate its process',
  [Stage.network]: 'make its network',
  [Stage.rootfs]: 'mount its root file system',
  [Stage.mount]: 'mount a file system',
  [Stage.pivot]: 'enter its root file system',
  [Stage.devices]: 'make a device',
  [Stage.mask]: 'hide a path',
  [Stage.hostname]: 'set its host name',
  [Stage.rlimit]: 'set a resource limit',
  [Stage.terminal]: 'open its terminal',
  [Stage.seccomp]: 'load its system call filter',
  [Stage.capabilities]: 'set its capabilities',
  [Stage.identity]: 'change to its user',
  [Stage.hook]: 'run a hook',
  [Stage.sysctl]: 'set a kernel parameter',
};

const ERRNO = constants.errno;

/** The error that a failed start is for the user; its wording follows Docker's where there is one. */
export function startError(failure: {
  readonly stage: number;
  readonly errno: number;
  readonly detail: string;
}): BuildError {
  const { stage, errno, detail } = failure;
  switch (stage) {
    case Stage.spec:
      return new BuildError('runtime-failed', `The native runtime refused the container's description: ${detail}`);
    case Stage.unknownUser:
      return new BuildError('unknown-user', `unable to find user ${detail}: no matching entries in passwd file`);
    case Stage.unknownGroup:
      return new BuildError('unknown-user', `unable to find group ${detail}: no matching entries in group file`);
    case Stage.userRange:
      return new BuildError('unknown-user', `invalid user or group "${detail}": ids must be in range 0-2147483647`);
    case Stage.userFile:
      return new BuildError('unknown-user', `Cannot read /${detail} of the container: ${errnoText(errno)}`);
    case Stage.source:
      return new BuildError('run-start-failed', `Cannot open the mount source "${detail}": ${errnoText(errno)}`);
    case Stage.target:
      return errno === 0
        ? forbiddenTarget(detail)
        : new BuildError('path-conflict', `Cannot mount at "${detail}": ${targetText(errno)}`);
    case Stage.cwd:
      return new BuildError('path-conflict', `Cannot use "${detail}" as the working directory: ${targetText(errno)}`);
    case Stage.identity:
      // setresuid(2): the id is not in the user namespace.
      if (errno === ERRNO.EINVAL) return unknownId(detail);
      return machineError(failure);
    case Stage.lookup:
      return errno === ERRNO.EACCES
        ? new BuildError('command-not-executable', `exec: "${detail}": permission denied`)
        : new BuildError('command-not-found', `exec: "${detail}": executable file not found in $PATH`);
    case Stage.exec:
      return execError(errno, detail);
    case Stage.limit:
      return limitError(errno, detail);
    case Stage.runtime:
      return new BuildError(
        'run-start-failed',
        `Cannot start the container with the runtime of "--oci-runtime": ${detail}${errno === 0 ? '' : `: ${errnoText(errno)}`}`,
      );
    default:
      return machineError(failure);
  }
}

/** Why a request to a running container failed. */
export function requestError(
  what: string,
  { errno, detail }: { readonly errno: number; readonly detail: string },
): BuildError {
  if (errno === ERRNO.ESRCH) return new BuildError('container-not-running', 'The container does not run');
  const why = errno === ERRNO.EALREADY ? detail : `${detail}: ${errnoText(errno)}`;
  return new BuildError(
    errno === ERRNO.EALREADY ? 'container-in-use' : 'runtime-failed',
    `Cannot ${what} the container: ${why}`,
  );
}

function limitError(errno: number, detail: string): BuildError {
  const hint = detail.startsWith('no control group')
    ? 'run tsbuild in a group that is delegated to its user, such as by systemd-run --user --scope -p Delegate=yes'
    : 'docs/runtime.md says which control groups tsbuild can use';
  return new BuildError(
    'run-start-failed',
    `Cannot limit the container: ${detail}${errno === 0 ? '' : `: ${errnoText(errno)}`}`,
    errno === 0 ? { hint } : {},
  );
}

function machineError(failure: {
  readonly stage: number;
  readonly errno: number;
  readonly detail: string;
}): BuildError {
  const { stage, errno } = failure;
  return new BuildError(
    'run-start-failed',
    `Cannot start the container: cannot ${MACHINE_STAGES[stage] ?? 'set it up'}${machineDetail(failure)}`,
    (errno === ERRNO.EPERM || errno === ERRNO.EACCES) && process.geteuid?.() !== 0
      ? { hint: 'starting containers needs root' }
      : {},
  );
}

/** `which` is `uid 1000` or `gid 1000`. */
function unknownId(which: string): BuildError {
  return new BuildError(
    'run-start-failed',
    `Cannot start the container as ${which}: this user has no such id to give`,
    { hint: GET_A_RANGE },
  );
}

function forbiddenTarget(path: string): BuildError {
  return new BuildError(
    'path-conflict',
    `Cannot mount at "${path}": the root, /proc and device nodes cannot be mounted over`,
  );
}

function execError(errno: number, path: string): BuildError {
  const code: ErrorCode =
    errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR ? 'command-not-found' : 'command-not-executable';
  return new BuildError(code, `exec: "${path}": ${errnoText(errno)}`);
}

function machineDetail(failure: { readonly errno: number; readonly detail: string }): string {
  const parts = [
    failure.detail === '' ? undefined : ` (${failure.detail})`,
    failure.errno === 0 ? undefined : `: ${errnoText(failure.errno)}`,
  ];
  return parts.filter((part) => part !== undefined).join('');
}

function targetText(errno: number): string {
  switch (errno) {
    case ERRNO.ELOOP:
      return 'it is a symbolic link that cannot be followed here';
    case ERRNO.ENOTDIR:
      return 'it is not a directory';
    case ERRNO.EISDIR:
      return 'it is a directory';
    default:
      return errnoText(errno);
  }
}

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  E2BIG: 'argument list too long',
  EACCES: 'permission denied',
  EBUSY: 'device or resource busy',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'file name too long',
  ENFILE: 'too many open files in system',
  ENODEV: 'no such device',
  ENOENT: 'no such file or directory',
  ENOEXEC: 'exec format error',
  ENOMEM: 'cannot allocate memory',
  ENOSPC: 'no space left on device',
  ENOSYS: 'function not implemented',
  ENOTDIR: 'not a directory',
  EPERM: 'operation not permitted',
  ERANGE: 'numerical result out of range',
  EROFS: 'read-only file system',
  ETXTBSY: 'text file busy',
};

function errnoText(errno: number): string {
  for (const [name, value] of Object.entries(ERRNO)) {
    if (value === errno) return ERRNO_TEXT[name] ?? name;
  }
  return `errno ${errno}`;
}
