/**
 * Progress as data: the solver and the engine emit these events, renderers show them.
 *
 * A vertex goes started → (log | status)* → cached | completed | failed | cancelled. A cached vertex may come without `started`.
 */
import type { Digest } from './digest.ts';
import type { BuildError } from './errors.ts';

/** A vertex as a person sees it. */
export interface VertexInfo {
  readonly digest: Digest;
  /** `[build 2/5] RUN make`. */
  readonly name: string;
}

export type ProgressEvent =
  | { readonly kind: 'started'; readonly vertex: VertexInfo; readonly timeMs: number }
  | { readonly kind: 'cached'; readonly vertex: VertexInfo; readonly timeMs: number }
  | { readonly kind: 'completed'; readonly vertex: VertexInfo; readonly timeMs: number }
  | { readonly kind: 'failed'; readonly vertex: VertexInfo; readonly timeMs: number; readonly error: BuildError }
  | { readonly kind: 'cancelled'; readonly vertex: VertexInfo; readonly timeMs: number }
  | {
      readonly kind: 'log';
      readonly vertex: VertexInfo;
      readonly timeMs: number;
      readonly stream: 'stdout' | 'stderr';
      readonly data: Uint8Array;
    }
  | {
      /** A part of a vertex that can be counted, such as a blob on its way. */
      readonly kind: 'status';
      readonly vertex: VertexInfo;
      readonly timeMs: number;
      readonly id: string;
      readonly currentBytes: number;
      readonly totalBytes?: number;
    }
  | { readonly kind: 'warning'; readonly message: string; readonly timeMs: number };

export type ProgressSink = (event: ProgressEvent) => void;
