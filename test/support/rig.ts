/** Tests with a time limit. */
import type { TempDir } from './temp.ts';
import { tempDir } from './temp.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

export interface Rig {
  readonly dir: TempDir;
  /** Aborted when the time is up, so that what is running can be cleaned up. */
  readonly signal: AbortSignal;
}

/** A test with a temporary directory of its own that fails, instead of hanging, after `timeoutMs`. */
export function rigTest(
  body: (rig: Rig) => Promise<void>,
  { timeoutMs = DEFAULT_TIMEOUT_MS } = {},
): () => Promise<void> {
  return async () => {
    await using dir = await tempDir();
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new Error(`the test took longer than ${timeoutMs} ms`);
        controller.abort(error);
        reject(error);
      }, timeoutMs);
    });
    try {
      await Promise.race([body({ dir, signal: controller.signal }), expired]);
    } finally {
      clearTimeout(timer);
    }
  };
}
