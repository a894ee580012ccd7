/**
 * What can go wrong for a user, as one error class with a code. A plain `Error` means a bug in tsbuild.
 *
 * The table gives each code its exit status; docs/errors.md lists the same codes and a test compares the two.
 */
import type { SourceRange } from './source.ts';
import { codeFrame, formatLocation } from './source.ts';

/** Exit statuses of the command line; docs/errors.md explains them. */
export const ExitStatus = {
  ok: 0,
  /** The build, or what was asked for, failed. */
  failure: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The Dockerfile is wrong. */
  dockerfile: 3,
  /** A registry or the network failed. */
  network: 4,
  /** Input from outside is corrupt: a digest, an archive, a manifest. */
  corrupt: 5,
  /** The store cannot be read or written. */
  store: 6,
  /** `run`: tsbuild itself failed, as with `docker run`. */
  engine: 125,
  /** `run`: the command cannot be executed. */
  notExecutable: 126,
  /** `run`: the command was not found. */
  notFound: 127,
  /** Interrupted by SIGINT. */
  interrupted: 130,
} as const;

/** Every code with its exit status. */
export const ERROR_CODES = {
  // command line
  usage: ExitStatus.usage,
  'invalid-reference': ExitStatus.usage,
  'invalid-platform': ExitStatus.usage,
  unsupported: ExitStatus.usage,
  // Dockerfile
  'dockerfile-not-found': ExitStatus.dockerfile,
  'dockerfile-empty': ExitStatus.dockerfile,
  'dockerfile-syntax': ExitStatus.dockerfile,
  'unknown-instruction': ExitStatus.dockerfile,
  'unknown-flag': ExitStatus.dockerfile,
  'invalid-flag': ExitStatus.dockerfile,
  'invalid-argument': ExitStatus.dockerfile,
  'missing-argument': ExitStatus.dockerfile,
  'invalid-directive': ExitStatus.dockerfile,
  'unterminated-heredoc': ExitStatus.dockerfile,
  'invalid-substitution': ExitStatus.dockerfile,
  'required-variable': ExitStatus.dockerfile,
  'unknown-stage': ExitStatus.dockerfile,
  'circular-stage': ExitStatus.dockerfile,
  'invalid-base': ExitStatus.dockerfile,
  'check-failed': ExitStatus.dockerfile,
  'unsupported-feature': ExitStatus.dockerfile,
  // build
  'context-not-found': ExitStatus.failure,
  'invalid-ignore-pattern': ExitStatus.failure,
  'source-not-found': ExitStatus.failure,
  'source-changed': ExitStatus.failure,
  'path-conflict': ExitStatus.failure,
  'path-escape': ExitStatus.failure,
  'unknown-user': ExitStatus.failure,
  'run-failed': ExitStatus.failure,
  'run-start-failed': ExitStatus.failure,
  'checksum-mismatch': ExitStatus.failure,
  cancelled: ExitStatus.interrupted,
  // images and registries
  'image-not-found': ExitStatus.failure,
  'image-in-use': ExitStatus.failure,
  'container-not-found': ExitStatus.failure,
  'container-in-use': ExitStatus.failure,
  'container-not-running': ExitStatus.failure,
  'port-not-published': ExitStatus.failure,
  'platform-not-found': ExitStatus.failure,
  'registry-unreachable': ExitStatus.network,
  'registry-denied': ExitStatus.network,
  'registry-not-found': ExitStatus.network,
  'registry-error': ExitStatus.network,
  'download-failed': ExitStatus.network,
  'invalid-digest': ExitStatus.corrupt,
  'digest-mismatch': ExitStatus.corrupt,
  'size-mismatch': ExitStatus.corrupt,
  'invalid-manifest': ExitStatus.corrupt,
  'invalid-archive': ExitStatus.corrupt,
  'limit-exceeded': ExitStatus.corrupt,
  // machine
  'store-unwritable': ExitStatus.store,
  'store-full': ExitStatus.store,
  'store-corrupt': ExitStatus.store,
  'store-busy': ExitStatus.store,
  'runtime-unavailable': ExitStatus.engine,
  'oci-runtime-unavailable': ExitStatus.usage,
  'runtime-failed': ExitStatus.engine,
  'network-unavailable': ExitStatus.engine,
  'port-unavailable': ExitStatus.engine,
  'command-not-executable': ExitStatus.notExecutable,
  'command-not-found': ExitStatus.notFound,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface BuildErrorOptions {
  /** Where in the user's text; the first is shown with its source line. */
  readonly locations?: readonly SourceRange[];
  /** What to do about it, in one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A failure that a user can understand and act upon. Messages are active, quote values, and end without a full stop. */
export class BuildError extends Error {
  readonly code: ErrorCode;
  readonly locations: readonly SourceRange[];
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: BuildErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BuildError';
    this.code = code;
    this.locations = options.locations ?? [];
    this.hint = options.hint;
  }

  get exitStatus(): number {
    return ERROR_CODES[this.code];
  }

  /** The same error pointing into a source text, unless it already does. */
  at(locations: readonly SourceRange[]): BuildError {
    if (this.locations.length > 0 || locations.length === 0) return this;
    const located = this.copy(locations);
    if (this.stack !== undefined) located.stack = this.stack;
    return located;
  }

  /** Subclasses with fields of their own override this. */
  protected copy(locations: readonly SourceRange[]): BuildError {
    return new BuildError(this.code, this.message, {
      locations,
      ...(this.hint !== undefined && { hint: this.hint }),
      cause: this.cause,
    });
  }
}

/** The whole report: `file:line: message`, the source excerpt and the hint. */
export function formatError(error: BuildError): string {
  const [range] = error.locations;
  const parts = [range ? `${formatLocation(range)}: ${error.message}` : error.message];
  if (range) parts.push(codeFrame(range));
  if (error.hint !== undefined) parts.push(`hint: ${error.hint}`);
  return parts.join('\n');
}

/** The code of a system error such as `ENOENT`, if `error` is one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Throws `cancelled` once `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  const reason: unknown = signal.reason;
  throw reason instanceof BuildError
    ? reason
    : new BuildError('cancelled', 'The operation was cancelled', { cause: reason });
}
