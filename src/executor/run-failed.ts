/** A RUN whose command ended badly. */
import { BuildError } from '../core/errors.ts';
import type { SourceRange } from '../core/source.ts';
import { GET_A_RANGE, isRootAlone } from '../runtime-native/id-range.ts';
import type { ContainerExit } from '../runtime-native/types.ts';

const MAX_TAIL_BYTES = 64 * 1024;
const MAX_TAIL_LINES = 50;
/** 128 and SIGKILL. */
const KILLED = 137;

export class RunFailedError extends BuildError {
  readonly exitCode: number;
  /** The last lines of both streams in the order of their arrival, for the report. */
  readonly output: readonly string[];

  constructor(
    message: string,
    details: {
      readonly exitCode: number;
      readonly output: readonly string[];
      readonly hint?: string | undefined;
    },
    locations: readonly SourceRange[] = [],
  ) {
    super('run-failed', message, { locations, ...(details.hint !== undefined && { hint: details.hint }) });
    this.exitCode = details.exitCode;
    this.output = details.output;
  }

  protected override copy(locations: readonly SourceRange[]): BuildError {
    return new RunFailedError(this.message, this, locations);
  }
}

/** In Docker's words, which tools look for. */
export function runFailed(args: readonly string[], exit: ContainerExit, output: readonly string[]): RunFailedError {
  const code = `exit code: ${exit.code}`;
  const reason = exit.oomKilled ? `cannot allocate memory (${code})` : code;
  return new RunFailedError(`${processText(args)} did not complete successfully: ${reason}`, {
    exitCode: exit.code,
    output,
    hint: memoryHint(exit) ?? idsHint(output),
  });
}

/** Where no memory controller tells, an end by SIGKILL is all there is to see of it. */
function memoryHint({ code, oomKilled }: ContainerExit): string | undefined {
  if (oomKilled)
    return 'the kernel killed a process of this step for lack of memory: let it use less, or raise the limit of the group it runs in';
  return code === KILLED ? 'something killed it with SIGKILL, as the kernel does for lack of memory' : undefined;
}

/** What chown, setuid and setgroups of an id that is not there end with: EINVAL, and EPERM where groups are denied. */
const OF_IDS = /Invalid argument|Operation not permitted/;

function idsHint(output: readonly string[]): string | undefined {
  if (!isRootAlone() || !output.some((line) => OF_IDS.test(line))) return undefined;
  return `root is the only user here: if the command needs others, ${GET_A_RANGE}`;
}

/** A command that could not even be started. */
export function runNotStarted(args: readonly string[], error: BuildError): BuildError {
  return new BuildError('run-start-failed', `${processText(args)} did not start: ${error.message}`, {
    ...(error.hint !== undefined && { hint: error.hint }),
    cause: error,
  });
}

function processText(args: readonly string[]): string {
  return `process "${args.join(' ')}"`;
}

/** Keeps the end of what a command prints. */
export class OutputTail {
  private chunks: Uint8Array[] = [];
  private sizeBytes = 0;

  add(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.sizeBytes += chunk.length;
    while (this.chunks.length > 1 && this.sizeBytes - (this.chunks[0]?.length ?? 0) >= MAX_TAIL_BYTES) {
      this.sizeBytes -= this.chunks.shift()?.length ?? 0;
    }
  }

  lines(): string[] {
    const text = Buffer.concat(this.chunks).subarray(-MAX_TAIL_BYTES).toString('utf8');
    const lines = text.split('\n');
    if (lines[lines.length - 1] === '') lines.pop();
    return lines.slice(-MAX_TAIL_LINES);
  }
}
