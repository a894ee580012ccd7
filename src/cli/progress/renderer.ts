/** What shows progress: a sink for events, and an end. */
import type { ProgressSink } from '../../core/progress.ts';

export interface ProgressRenderer {
  readonly sink: ProgressSink;
  /** Writes what is still held back, once: unfinished log lines and the last output of failed steps. No event may follow. */
  finish(): void;
}

export const PROGRESS_MODES = ['auto', 'plain', 'tty', 'quiet', 'rawjson', 'none'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];
