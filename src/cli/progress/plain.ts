/**
 * Progress as lines of text, for logs and pipes, in the form of BuildKit's plain mode:
 *
 *     #1 [build 2/5] RUN make
 *     #1 0.123 cc -c main.c
 *     #1 DONE 0.3s
 */
import { unreachable } from '../../core/exhaustive.ts';
import type { ProgressEvent } from '../../core/progress.ts';
import type { OutputStream } from '../types.ts';
import { humanSize } from '../units.ts';
import { printableText } from './log-lines.ts';
import type { ProgressRenderer } from './renderer.ts';
import type { LogLine, VertexState } from './vertices.ts';
import { failureTails, seconds, Vertices } from './vertices.ts';

/** Counters are shown at most this often, and when they are full. */
const STATUS_INTERVAL_MS = 5_000;

type StatusEvent = Extract<ProgressEvent, { readonly kind: 'status' }>;

export function plainRenderer(output: Pick<OutputStream, 'write'>): ProgressRenderer {
  const vertices = new Vertices();
  const announced = new Set<VertexState>();
  const counters = new Map<string, { shownAtMs: number; done: boolean }>();
  let current: VertexState | undefined;
  let text = '';

  /** Adds a line of `state`; a blank line parts it from another vertex's. */
  const line = (state: VertexState, rest: string): void => {
    if (current !== undefined && current !== state) text += '\n';
    current = state;
    if (!announced.has(state)) {
      announced.add(state);
      text += `#${state.number} ${state.name}\n`;
    }
    if (rest !== '') text += `#${state.number} ${rest}\n`;
  };
  const logs = (state: VertexState, lines: readonly LogLine[]): void => {
    for (const { text: content, atMs } of lines) line(state, `${seconds(atMs, 3)} ${content}`.trimEnd());
  };
  const status = (state: VertexState, event: StatusEvent): void => {
    const key = `${state.number} ${event.id}`;
    const counter = counters.get(key);
    const done = event.totalBytes !== undefined && event.currentBytes >= event.totalBytes;
    if (counter?.done === true) return;
    if (!done && counter !== undefined && event.timeMs - counter.shownAtMs < STATUS_INTERVAL_MS) return;
    counters.set(key, { shownAtMs: event.timeMs, done });
    const total = event.totalBytes === undefined ? '' : ` / ${humanSize(event.totalBytes)}`;
    const elapsed = `${seconds(event.timeMs - state.startedAtMs, 1)}s`;
    line(state, `${printableText(event.id)} ${humanSize(event.currentBytes)}${total} ${elapsed}${done ? ' done' : ''}`);
  };
  const handle = (event: ProgressEvent): void => {
    if (event.kind === 'warning') return;
    const state = vertices.track(event);
    switch (event.kind) {
      case 'started':
        return line(state, '');
      case 'log':
        return logs(state, state.log(event));
      case 'status':
        return status(state, event);
      case 'cached':
        return line(state, 'CACHED');
      case 'completed':
        logs(state, state.endLogs(event.timeMs));
        return line(state, `DONE ${seconds(event.timeMs - state.startedAtMs, 1)}s`);
      case 'failed':
        logs(state, state.endLogs(event.timeMs));
        return line(state, `ERROR: ${printableText(event.error.message)}`);
      case 'cancelled':
        logs(state, state.endLogs(event.timeMs));
        return line(state, 'CANCELED');
      default:
        return unreachable(event);
    }
  };
  const flush = (): void => {
    if (text !== '') output.write(text);
    text = '';
  };
  return {
    sink: (event) => {
      handle(event);
      flush();
    },
    finish: () => {
      for (const state of vertices.all()) logs(state, state.endLogs(state.endedAtMs ?? state.startedAtMs));
      text += failureTails(vertices);
      flush();
    },
  };
}
