/** File system calls of which the Nth fails. */
import * as nodeFs from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { StoreFs } from '../../src/content/ingest.ts';

export type Call = 'mkdir' | 'open' | 'readdir' | 'rename' | 'rm' | 'stat' | 'write' | 'sync' | 'close';

export interface FailingFs {
  readonly fs: StoreFs;
  calls(): number;
  hasFailed(): boolean;
}

/** Lets call number `failAt` (from 1) of those in `which` fail with `errno`, once. */
export function failingFs(failAt: number, errno: string, which: readonly Call[]): FailingFs {
  let calls = 0;
  function before(call: Call): void {
    if (!which.includes(call)) return;
    if (++calls === failAt) throw Object.assign(new Error(`${errno}: injected into ${call}`), { code: errno });
  }
  /** The function `target[name]`, which may fail; `name` of a handle's methods are `write` and `sync`. */
  function wrap<T extends object>(target: T, names: readonly string[], finish: (value: unknown) => unknown): T {
    return new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        const method = value as (...args: unknown[]) => unknown;
        if (typeof name !== 'string' || !names.includes(name)) return method.bind(object);
        return async (...args: unknown[]) => {
          before(name as Call);
          return finish(await method.apply(object, args));
        };
      },
    });
  }
  const handle = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'fd' in value
      ? wrap(value as FileHandle, ['write', 'sync', 'close'], (result) => result)
      : value;
  return {
    fs: wrap({ ...nodeFs } as StoreFs, ['mkdir', 'open', 'readdir', 'rename', 'rm', 'stat'], handle),
    calls: () => calls,
    hasFailed: () => calls >= failAt,
  };
}
