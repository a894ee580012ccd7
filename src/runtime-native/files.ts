/** File work by the native binary: writing trees, streaming layers, scanning and removing. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { distinctLayers } from './distinct-layers.ts';
import { layerError } from './files-errors.ts';
import { decodeReply } from './files-wire.ts';
import { LayerScanner } from './layer-scanner.ts';
import { NativeTreeWriter } from './tree-writer.ts';
import type { NativeFiles, TreeWriter, TreeWriterOptions } from './tree-types.ts';
import type { RootfsSpec } from './types.ts';

export interface NativeFilesOptions {
  /** The binary `tsbuild-runtime`. */
  readonly binaryPath: string;
}

const STDERR_MAX = 64 << 10;

export function createNativeFiles({ binaryPath }: NativeFilesOptions): NativeFiles {
  const start = (...args: string[]): ChildProcessWithoutNullStreams =>
    spawn(binaryPath, args, { env: {}, stdio: 'pipe' });
  const scanner = new LayerScanner(() => start('files', 'scan'));
  return {
    openWriter(root: RootfsSpec, options: TreeWriterOptions = {}): TreeWriter {
      return new NativeTreeWriter(start('files', ...rootArguments(root)), options.signal);
    },
    packLayer(dir, options = {}) {
      // Started with the first read, so that a stream that nobody reads leaves no process.
      return Readable.from(
        outputOf(() => start('pack', dir), dir, options.signal),
        { objectMode: false, highWaterMark: 1 << 20 },
      );
    },
    scanLayer(dir) {
      return scanner.scan(dir);
    },
    async removeTree(path) {
      await collect(outputOf(() => start('files', 'remove', path), path));
    },
  };
}

function rootArguments(root: RootfsSpec): string[] {
  switch (root.kind) {
    case 'directory':
      return ['directory', root.path];
    case 'overlay':
      return ['overlay', root.volatile ? 'volatile' : 'durable', root.upper, root.work, ...distinctLayers(root.lower)];
  }
}

/** What the process prints; throws at the end if it failed. Leaving the iteration early kills it. */
async function* outputOf(
  start: () => ChildProcessWithoutNullStreams,
  dir: string,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  throwIfAborted(signal);
  const child = start();
  let stderr: Buffer = Buffer.alloc(0);
  let startFailure: Error | undefined;
  const closed = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('error', (error) => (startFailure = error));
    child.on('close', (code, killed) => resolve(killed ?? code ?? -1));
  });
  const abort = (): boolean => child.kill('SIGKILL');
  signal?.addEventListener('abort', abort, { once: true });
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < STDERR_MAX) stderr = Buffer.concat([stderr, chunk]);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end();
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) yield chunk;
    const status = await closed;
    throwIfAborted(signal);
    if (startFailure !== undefined) {
      throw new BuildError('runtime-unavailable', 'Cannot start the native file reader', { cause: startFailure });
    }
    if (status !== 0) throw failureOf(stderr, status, dir);
  } finally {
    signal?.removeEventListener('abort', abort);
    if (child.exitCode === null) child.kill('SIGKILL');
  }
}

function failureOf(stderr: Buffer, status: number | NodeJS.Signals, dir: string): unknown {
  const reply = decodeReply(stderr)?.reply;
  if (reply?.kind === 'failed') return layerError(reply, dir);
  return new BuildError('runtime-failed', `The native file reader ended early (${status}) on "${dir}"`);
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
