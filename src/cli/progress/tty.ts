/** Progress on a terminal: the steps with their times, redrawn in place, and the last lines of those that run. */
import type { ProgressEvent } from '../../core/progress.ts';
import type { OutputStream } from '../types.ts';
import { humanSize } from '../units.ts';
import { printableText } from './log-lines.ts';
import type { ProgressRenderer } from './renderer.ts';
import type { VertexState } from './vertices.ts';
import { failureTails, seconds, Vertices } from './vertices.ts';
import { cut, padEnd } from './width.ts';

const REDRAW_MS = 100;
const LOG_LINES = 6;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** Calls `tick` every `ms` until the returned function is called. */
export type Ticker = (tick: () => void, ms: number) => () => void;

export interface TtyOptions {
  readonly output: OutputStream;
  readonly color: boolean;
  readonly now: () => number;
  readonly every: Ticker;
}

interface Counter {
  readonly currentBytes: number;
  readonly totalBytes: number | undefined;
}

export function ttyRenderer({ output, color, now, every }: TtyOptions): ProgressRenderer {
  const vertices = new Vertices();
  const counters = new Map<VertexState, Map<string, Counter>>();
  let startedAtMs: number | undefined;
  let drawnLines = 0;
  let dirty = false;
  let stop: (() => void) | undefined;

  const draw = (finished: boolean): void => {
    // A terminal that does not know its size says 0.
    const columns = Math.max(20, output.columns || DEFAULT_COLUMNS);
    const height = finished ? Infinity : Math.max(4, (output.rows || DEFAULT_ROWS) - 1);
    const lines = frame({
      vertices,
      counters,
      elapsedMs: now() - (startedAtMs ?? now()),
      nowMs: now(),
      columns,
      height,
      finished,
      color,
    });
    // Up to the first line of the last frame, then clear everything below; the cursor is hidden by the first frame.
    const home = drawnLines === 0 ? '' : `\x1b[${drawnLines}A\r`;
    output.write(`${home}\x1b[0J${lines.map((line) => `${line}\n`).join('')}`);
    drawnLines = lines.length;
    dirty = false;
  };
  const tick = (): void => {
    // Times of running steps change without an event.
    if (dirty || vertices.all().some(({ outcome }) => outcome === 'running')) draw(false);
  };
  return {
    sink: (event: ProgressEvent) => {
      if (event.kind === 'warning') return;
      startedAtMs ??= event.timeMs;
      const state = vertices.track(event);
      if (event.kind === 'log') state.log(event);
      else if (event.kind === 'status') count(counters, state, event);
      else if (event.kind !== 'started' && event.kind !== 'cached') state.endLogs(event.timeMs);
      dirty = true;
      if (stop !== undefined) return;
      output.write('\x1b[?25l');
      stop = every(tick, REDRAW_MS);
      draw(false);
    },
    finish: () => {
      if (stop === undefined) return;
      stop();
      draw(true);
      output.write(`\x1b[?25h${failureTails(vertices)}`);
    },
  };
}

function count(
  counters: Map<VertexState, Map<string, Counter>>,
  state: VertexState,
  event: Extract<ProgressEvent, { kind: 'status' }>,
): void {
  const own = counters.get(state) ?? new Map<string, Counter>();
  counters.set(state, own.set(event.id, { currentBytes: event.currentBytes, totalBytes: event.totalBytes }));
}

interface Frame {
  readonly vertices: Vertices;
  readonly counters: ReadonlyMap<VertexState, ReadonlyMap<string, Counter>>;
  readonly elapsedMs: number;
  readonly nowMs: number;
  readonly columns: number;
  /** Lines that the terminal can show. */
  readonly height: number;
  readonly finished: boolean;
  readonly color: boolean;
}

function frame(options: Frame): string[] {
  const { vertices, columns, height, finished, elapsedMs } = options;
  const all = vertices.all();
  const done = all.filter(({ endedAtMs }) => endedAtMs !== undefined).length;
  const failed = all.some(({ outcome }) => outcome === 'failed');
  const title = `[+] Building ${seconds(elapsedMs, 1)}s (${done}/${all.length})${finished && !failed ? ' FINISHED' : ''}`;
  const blocks = all.map((state) => vertexBlock(state, options));
  // The oldest finished steps make room first; running ones stay in sight.
  let total = 1 + blocks.reduce((sum, block) => sum + block.length, 0);
  const kept = blocks.filter((block, index) => {
    const drop = total > height && all[index]?.endedAtMs !== undefined;
    if (drop) total -= block.length;
    return !drop;
  });
  return [cut(title, columns), ...kept.flat()].slice(0, Math.min(height, total));
}

function vertexBlock(state: VertexState, options: Frame): string[] {
  const { columns, nowMs, finished, color } = options;
  const time = state.outcome === 'waiting' ? '' : `${seconds((state.endedAtMs ?? nowMs) - state.startedAtMs, 1)}s`;
  const label = {
    cached: 'CACHED ',
    failed: 'ERROR ',
    cancelled: 'CANCELED ',
    waiting: '',
    running: '',
    completed: '',
  }[state.outcome];
  const room = columns - time.length - 2;
  const lines = [
    paint(`${padEnd(cut(` => ${label}${state.name}`, room), room)} ${time}`.trimEnd(), state.outcome, color),
  ];
  if (finished || state.outcome !== 'running') return lines;
  for (const [id, { currentBytes, totalBytes }] of options.counters.get(state) ?? []) {
    if (totalBytes !== undefined && currentBytes >= totalBytes) continue;
    lines.push(
      cut(
        ` => => ${printableText(id)} ${humanSize(currentBytes)}${totalBytes === undefined ? '' : ` / ${humanSize(totalBytes)}`}`,
        columns - 1,
      ),
    );
  }
  for (const { text } of state.tail.slice(-LOG_LINES)) lines.push(cut(` => => # ${text}`, columns - 1));
  return lines;
}

function paint(line: string, outcome: VertexState['outcome'], color: boolean): string {
  if (!color) return line;
  if (outcome === 'failed') return `\x1b[31m${line}\x1b[0m`;
  if (outcome === 'cancelled') return `\x1b[33m${line}\x1b[0m`;
  return outcome === 'completed' || outcome === 'cached' ? `\x1b[34m${line}\x1b[0m` : line;
}
