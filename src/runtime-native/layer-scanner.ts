/**
 * Scans of layer directories by one native process, which is started with the first and serves all that follow: most layers are
 * small, and starting a process takes longer than walking one. It never keeps this process alive and ends with it.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import { decodeLatin1Path, encodePath } from '../core/path-bytes.ts';
import { compareBytes } from '../core/paths.ts';
import type { WantedEntry } from '../core/tree-entry.ts';
import { layerError } from './files-errors.ts';
import { decodeReply } from './files-wire.ts';

export interface ScannedLayer {
  readonly opaqueDirs: readonly string[];
  readonly xattrs: ReadonlyMap<string, Digest>;
  readonly wanted: ReadonlyMap<string, WantedEntry>;
  readonly fingerprint: string;
}

interface Request {
  readonly dir: string;
  readonly resolve: (layer: ScannedLayer) => void;
  readonly reject: (error: unknown) => void;
}

const SIZE_BYTES = 4;

export class LayerScanner {
  private readonly start: () => ChildProcessWithoutNullStreams;
  private child: ChildProcessWithoutNullStreams | undefined;
  /** In the order of their answers. */
  private requests: Request[] = [];
  private received: Buffer = Buffer.alloc(0);

  /** `start` makes a process that reads paths and answers in the form of src/runtime-native/c/files.h. */
  constructor(start: () => ChildProcessWithoutNullStreams) {
    this.start = start;
  }

  scan(dir: string): Promise<ScannedLayer> {
    return new Promise((resolve, reject) => {
      this.requests.push({ dir, resolve, reject });
      const child = (this.child ??= this.launch());
      keepAlive(child, true);
      const path = encodePath(dir);
      const request = Buffer.allocUnsafe(SIZE_BYTES + path.length);
      request.writeUInt32LE(path.length, 0);
      path.copy(request, SIZE_BYTES);
      child.stdin.write(request);
    });
  }

  private launch(): ChildProcessWithoutNullStreams {
    const child = this.start();
    let startFailure: Error | undefined;
    child.on('error', (error) => (startFailure = error));
    child.on('close', () => {
      if (this.child !== child) return;
      this.child = undefined;
      this.received = Buffer.alloc(0);
      const error =
        startFailure === undefined
          ? new BuildError('runtime-failed', 'The native file reader ended early')
          : new BuildError('runtime-unavailable', 'Cannot start the native file reader', { cause: startFailure });
      for (const { reject } of this.requests.splice(0)) reject(error);
    });
    // The reason is in the exit of the process.
    child.stdin.on('error', () => undefined);
    child.stderr.resume();
    child.stdout.on('data', (chunk: Buffer) => this.receive(chunk));
    return child;
  }

  private receive(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    for (let size = this.settle(); size > 0; size = this.settle()) this.received = this.received.subarray(size);
    if (this.requests.length === 0 && this.child !== undefined) keepAlive(this.child, false);
  }

  /** Settles the first request if its answer is there; returns the answer's size, or 0. */
  private settle(): number {
    const [request] = this.requests;
    if (request === undefined || this.received.length < SIZE_BYTES) return 0;
    const size = this.received.readUInt32LE(0);
    const rest = this.received.subarray(SIZE_BYTES);
    if (size === 0) {
      const failed = decodeReply(rest);
      if (failed === undefined) return 0;
      this.requests.shift();
      request.reject(failed.reply.kind === 'failed' ? layerError(failed.reply, request.dir) : new Error('No failure'));
      return SIZE_BYTES + failed.sizeBytes;
    }
    if (rest.length < size) return 0;
    this.requests.shift();
    request.resolve(readAnswer(rest.toString('latin1', 0, size)));
    return SIZE_BYTES + size;
  }
}

/** The fields of an answer, as src/runtime-native/c/files.h has them. */
function readAnswer(text: string): ScannedLayer {
  const fields = text.split('\0');
  const fingerprint = fields.pop() ?? '';
  const opaqueDirs: string[] = [];
  const xattrs = new Map<string, Digest>();
  const wanted = new Map<string, WantedEntry>();
  const next = fields.values();
  for (const field of next) {
    const path = decodeLatin1Path(field.slice(1));
    const value = field.startsWith('o') ? '' : (next.next().value ?? '');
    if (field.startsWith('o')) opaqueDirs.push(path);
    else if (field.startsWith('w')) wanted.set(path, readWanted(value));
    // File systems list attributes in no particular order.
    else xattrs.set(path, digestOf(value.split(',').sort(compareBytes).join('\n')));
  }
  return { opaqueDirs, xattrs, wanted, fingerprint };
}

/** `UID:GID`, with `:c:MAJOR:MINOR` or `:b:…` after it for a device. */
function readWanted(text: string): WantedEntry {
  const [uid, gid, type, major, minor] = text.split(':');
  const owner = { uid: Number(uid), gid: Number(gid) };
  if (type === undefined) return owner;
  return {
    ...owner,
    device: { type: type === 'c' ? 'character' : 'block', major: Number(major), minor: Number(minor) },
  };
}

/** The pipes of a child process are sockets. */
function keepAlive(child: ChildProcessWithoutNullStreams, wanted: boolean): void {
  for (const handle of [child, child.stdin as Socket, child.stdout as Socket, child.stderr as Socket]) {
    if (wanted) handle.ref();
    else handle.unref();
  }
}
