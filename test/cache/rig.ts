/** Temporary directories and a codec for numbers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResultCodec } from '../../src/cache/record-file.ts';

export interface TempDir extends Disposable {
  readonly path: string;
}

export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), 'tsbuild-cache-'));
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Numbers as `{ value }`; those in `lost` can't be loaded. Each refers to `thing <value>`. */
export function numberCodec(lost: ReadonlySet<number> = new Set()): ResultCodec<number> {
  return {
    encode: (value) => ({ value }),
    async decode(data) {
      const value = valueOf(data);
      return value === undefined || lost.has(value) ? undefined : value;
    },
    references(data) {
      const value = valueOf(data);
      return value === undefined ? [] : [`thing ${value}`];
    },
  };
}

function valueOf(data: unknown): number | undefined {
  return typeof data === 'object' && data !== null && 'value' in data && typeof data.value === 'number'
    ? data.value
    : undefined;
}
