/** Turns what was thrown into a message on stderr and an exit status. */
import { constants } from 'node:os';
import { BuildError, ExitStatus, formatError } from '../core/errors.ts';
import type { CliDeps } from './types.ts';

/** A bug in tsbuild: sysexits' EX_SOFTWARE. */
export const EXIT_BUG = 70;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const;

/** Prints what was thrown and returns the status. `command` is the one that was running, if it got that far. */
export function reportError(thrown: unknown, command: string | undefined, deps: CliDeps): number {
  const error = firstError(thrown);
  if (!(error instanceof BuildError)) {
    deps.stderr.write(bugReport(error));
    return EXIT_BUG;
  }
  if (error.code === 'cancelled') return reportCancelled(error, deps);
  deps.stderr.write(command === 'build' && !isUsage(error) ? buildFailure(error) : `ERROR: ${formatError(error)}\n`);
  if (isUsage(error))
    deps.stderr.write(`\nRun 'tsbuild ${command === undefined ? '' : `${command} `}--help' for more information\n`);
  return error.exitStatus;
}

/** A clean-up that fails after an error hides it in a `SuppressedError`; the first one tells what went wrong. */
function firstError(thrown: unknown): unknown {
  let error = thrown;
  while (error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error) error = error.suppressed;
  return error;
}

/** A mistake on the command line; one that points into a Dockerfile was made there. */
function isUsage(error: BuildError): boolean {
  return error.exitStatus === ExitStatus.usage && error.locations.length === 0;
}

/** The excerpt first and the text that users search for in the last line, as Docker has it. */
function buildFailure(error: BuildError): string {
  const located = error.locations.length > 0 || error.hint !== undefined;
  return `${located ? `${formatError(error)}\n` : ''}ERROR: failed to build: failed to solve: ${error.message}\n`;
}

function reportCancelled(error: BuildError, deps: CliDeps): number {
  const signal = cancellingSignal(deps.signal.reason) ?? cancellingSignal(error);
  // The reader that went away would not see the message.
  if (signal !== 'SIGPIPE') deps.stderr.write(`ERROR: ${error.message}\n`);
  return signal === undefined ? ExitStatus.interrupted : statusOfSignal(signal);
}

/** What a shell makes of an end by `signal`. */
export function statusOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** The signal that `cancelled` is about: `cancelledBy` puts it there as the cause. */
function cancellingSignal(reason: unknown): NodeJS.Signals | undefined {
  const cause = reason instanceof BuildError ? reason.cause : undefined;
  return SIGNALS.find((signal) => signal === cause);
}

/** The abort reason for a signal of the system. */
export function cancelledBy(signal: NodeJS.Signals): BuildError {
  return new BuildError('cancelled', `Cancelled by ${signal}`, { cause: signal });
}

function bugReport(error: unknown): string {
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `ERROR: tsbuild failed unexpectedly; this is a bug in tsbuild\n${shown}\n`;
}
