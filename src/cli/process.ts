/** The one place that touches the process: streams, signals, exit. */
import type { Writable } from 'node:stream';
import type { EngineOptions } from '../engine/types.ts';
import { main } from './main.ts';
import { cancelledBy, statusOfSignal } from './report.ts';
import { outerUid } from './root.ts';
import type { CliDeps, OutputStream } from './types.ts';

export interface ProcessOptions {
  /** Makes a process of an ordinary user anew, as root of a user namespace, where it can; see bin/rootless.js. */
  readonly becomeRoot?: () => void;
}

/**
 * Runs the command line of this process and exits. The first SIGINT or SIGTERM cancels what is running and waits for its
 * clean-up; the second one ends the process at once.
 */
export async function runProcess({ becomeRoot }: ProcessOptions = {}): Promise<void> {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(statusOfSignal(signal));
      controller.abort(cancelledBy(signal));
    });
  }
  const onPipeClosed = (): void => controller.abort(cancelledBy('SIGPIPE'));
  const deps: CliDeps = {
    createEngine: async (options: EngineOptions) => {
      becomeRoot?.();
      return (await import('../engine.ts')).createEngine(options);
    },
    inspector: async () => (await import('../engine.ts')).inspector,
    nativeRuntime: async (args) => (await import('../engine.ts')).runNativeRuntime(args),
    stdin: () => process.stdin,
    stdout: outputOf(process.stdout, onPipeClosed),
    stderr: outputOf(process.stderr, () => undefined),
    signal: controller.signal,
    cwd: process.cwd(),
    uid: outerUid(process.getuid?.() ?? 0, process.env),
    now: () => Date.now(),
  };
  const status = await main(process.argv.slice(2), process.env, deps);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // Not left to the event loop: an open stdin or an idle connection would keep the process.
  process.exit(status);
}

/** Writes to `stream` until its reader goes away, which is then told once and is no error. */
function outputOf(stream: NodeJS.WriteStream, onClosed: () => void): OutputStream {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    onClosed();
  });
  return {
    write: (data) => void (stream.writable && stream.write(data)),
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
  };
}

function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (!stream.writable || stream.writableLength === 0) resolve();
    else stream.write('', () => resolve());
  });
}
