/** Work that several callers want at the same time and that is done once. */
import { throwIfAborted } from './errors.ts';

interface Job<V> {
  readonly result: Promise<V>;
  readonly controller: AbortController;
  waiting: number;
}

/** Runs one job per key at a time. A job is aborted when everybody who waits for it has given up, never because one has. */
export class SharedWork<V> {
  readonly #jobs = new Map<string, Job<V>>();

  /** The result of the job that runs under `key`, or of `work`, started now. Rejects with `cancelled` once `signal` is aborted. */
  async run(key: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<V>): Promise<V> {
    throwIfAborted(signal);
    const job = this.#jobs.get(key) ?? this.#start(key, work);
    job.waiting++;
    let onAbort: () => void = () => undefined;
    try {
      if (signal === undefined) return await job.result;
      const aborted = new Promise<undefined>((resolve) => {
        onAbort = () => resolve(undefined);
        signal.addEventListener('abort', onAbort, { once: true });
      });
      const outcome = await Promise.race([job.result.then((value) => ({ value })), aborted]);
      if (outcome !== undefined) return outcome.value;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (--job.waiting === 0 && signal?.aborted === true) {
        // Nobody joins a job that is being aborted.
        if (this.#jobs.get(key) === job) this.#jobs.delete(key);
        job.controller.abort(signal.reason);
      }
    }
    // The last one to leave waits for the end, so that nothing goes on behind the caller's back.
    if (job.waiting === 0) await job.result.catch(() => undefined);
    throwIfAborted(signal);
    throw new Error('Unreachable: the signal is aborted');
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<V>): Job<V> {
    const controller = new AbortController();
    const result = work(controller.signal);
    const job: Job<V> = { result, controller, waiting: 0 };
    this.#jobs.set(key, job);
    const forget = (): void => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    };
    result.then(forget, forget);
    return job;
  }
}
