/** File work by the native binary: writing trees, streaming layers, scanning and removing. */
import { Readable } from 'node:stream';
import type { Snapshotter } from '../core/snapshotter.ts';
import { distinctLayers } from './distinct-layers.ts';
import { nativeEnvironment } from './environment.ts';
import { layerError } from './files-errors.ts';
import { decodeReply } from './files-wire.ts';
import { digestLayer } from './layer-identity.ts';
import { packLayer } from './layer-packer.ts';
import { scanLayer } from './layer-scan.ts';
import { unpackLayer } from './layer-unpacker.ts';
import { NativeTreeWriter } from './tree-writer.ts';
import type { NativeFiles, TreeWriter, TreeWriterOptions } from './tree-types.ts';
import type { RootfsSpec } from './types.ts';
import { WorkerPool } from './worker-pool.ts';

export interface NativeFilesOptions {
  /** The binary `tsbuild-runtime`. */
  readonly binaryPath: string;
  /** Default: `auto`. */
  readonly snapshotter?: Snapshotter;
}

export function createNativeFiles({ binaryPath, snapshotter }: NativeFilesOptions): NativeFiles {
  const pool = new WorkerPool(binaryPath, nativeEnvironment(snapshotter));
  return {
    openWriter(root: RootfsSpec, options: TreeWriterOptions = {}): TreeWriter {
      return new NativeTreeWriter(pool, ['files', ...rootArguments(root)], options.signal);
    },
    packLayer(dir, options = {}) {
      // Started with the first read, so that a stream that nobody reads occupies nobody.
      return Readable.from(packLayer(pool, dir, options.signal), { objectMode: false, highWaterMark: 1 << 20 });
    },
    digestLayer(dir, options = {}) {
      return digestLayer(pool, dir, options.signal);
    },
    unpackLayer(tar, upper, options) {
      return unpackLayer(pool, tar, upper, options);
    },
    scanLayer(dir) {
      return scanLayer(pool, dir);
    },
    removeTree(path) {
      return removeTree(pool, path);
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

function removeTree(pool: WorkerPool, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const worker = pool.start(['files', 'remove', path], {
      onData: (chunk) => {
        received = Buffer.concat([received, chunk]);
        const answer = decodeReply(received);
        if (answer === undefined) return;
        worker.release();
        if (answer.reply.kind === 'failed') reject(layerError(answer.reply, path));
        else resolve();
      },
      onEnd: reject,
    });
  });
}
