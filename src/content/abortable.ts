/** Reading from sources that don't know of the signal themselves. */
import { Readable } from 'node:stream';
import { throwIfAborted } from '../core/errors.ts';

/**
 * The chunks of `source` until `signal` is aborted, which rejects with `cancelled` at once, also while the source is silent. The
 * source is closed in every case, but not waited for after an abort: a silent one may never answer.
 */
export async function* abortable(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  const iterator = source[Symbol.asyncIterator]();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<'aborted'>((resolve) => {
    onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  let ended = false;
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      throwIfAborted(signal);
      if (next === 'aborted') continue;
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!ended) await close(iterator, signal);
  }
}

async function close(iterator: AsyncIterator<Uint8Array>, signal: AbortSignal): Promise<void> {
  const closing = iterator.return?.();
  if (closing === undefined) return;
  if (signal.aborted) closing.catch(() => undefined);
  else await closing;
}

/** Closes a source that nobody is going to read. */
export async function discard(source: AsyncIterable<Uint8Array>): Promise<void> {
  // The iterator of a stream does not close the stream before its first step.
  if (source instanceof Readable) source.destroy();
  else await source[Symbol.asyncIterator]().return?.();
}
