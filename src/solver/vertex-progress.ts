/** What one job reports about one vertex: keeps the grammar of core/progress.ts whatever the order of calls. */
import type { BuildError } from '../core/errors.ts';
import type { ProgressEvent, ProgressSink, VertexInfo } from '../core/progress.ts';

export type OutputStream = 'stdout' | 'stderr';

/** `started` comes before the first output and at most once; the first end counts, and nothing comes after it. */
export class VertexProgress {
  readonly vertex: VertexInfo;
  readonly #sink: ProgressSink;
  readonly #clock: () => number;
  #state: 'waiting' | 'started' | 'ended' = 'waiting';

  constructor(vertex: VertexInfo, sink: ProgressSink, clock: () => number) {
    this.vertex = vertex;
    this.#sink = sink;
    this.#clock = clock;
  }

  start(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'started';
    this.#emit({ kind: 'started', ...this.#stamp() });
  }

  log(stream: OutputStream, data: Uint8Array): void {
    this.start();
    if (this.#state === 'started') this.#emit({ kind: 'log', ...this.#stamp(), stream, data });
  }

  status(id: string, currentBytes: number, totalBytes?: number): void {
    this.start();
    if (this.#state !== 'started') return;
    this.#emit({ kind: 'status', ...this.#stamp(), id, currentBytes, ...(totalBytes !== undefined && { totalBytes }) });
  }

  cached(): void {
    if (this.#end()) this.#emit({ kind: 'cached', ...this.#stamp() });
  }

  completed(): void {
    this.start();
    if (this.#end()) this.#emit({ kind: 'completed', ...this.#stamp() });
  }

  failed(error: BuildError): void {
    this.start();
    if (this.#end()) this.#emit({ kind: 'failed', ...this.#stamp(), error });
  }

  /** Ends what has been started; a vertex that never was stays unreported. */
  cancelled(): void {
    if (this.#state === 'started' && this.#end()) this.#emit({ kind: 'cancelled', ...this.#stamp() });
  }

  #end(): boolean {
    if (this.#state === 'ended') return false;
    this.#state = 'ended';
    return true;
  }

  #stamp(): { readonly vertex: VertexInfo; readonly timeMs: number } {
    return { vertex: this.vertex, timeMs: this.#clock() };
  }

  #emit(event: ProgressEvent): void {
    this.#sink(event);
  }
}
