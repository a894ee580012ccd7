/** What renderers remember of a vertex: its number, its times, the lines it printed last. */
import type { ProgressEvent, VertexInfo } from '../../core/progress.ts';
import { LogLines, printableText } from './log-lines.ts';

/** How many of a failed step's last lines are shown again at the end. */
const TAIL_LINES = 20;

export interface LogLine {
  readonly text: string;
  /** Since the vertex started. */
  readonly atMs: number;
}

export class VertexState {
  /** Counted from 1, in the order of appearance. */
  readonly number: number;
  /** Printable. */
  readonly name: string;
  readonly tail: LogLine[] = [];
  startedAtMs: number;
  endedAtMs: number | undefined;
  outcome: 'waiting' | 'running' | 'cached' | 'completed' | 'failed' | 'cancelled' = 'waiting';
  readonly #streams = { stdout: new LogLines(), stderr: new LogLines() };

  constructor(number: number, vertex: VertexInfo, timeMs: number) {
    this.number = number;
    this.name = printableText(vertex.name.replace(/\s+/g, ' '));
    this.startedAtMs = timeMs;
  }

  /** The lines that are complete now. */
  log(event: Extract<ProgressEvent, { readonly kind: 'log' }>): LogLine[] {
    return this.#remember(this.#streams[event.stream].push(event.data), event.timeMs);
  }

  /** The lines without an end. */
  endLogs(timeMs: number): LogLine[] {
    return this.#remember([...this.#streams.stdout.end(), ...this.#streams.stderr.end()], timeMs);
  }

  #remember(texts: readonly string[], timeMs: number): LogLine[] {
    const lines = texts.map((text) => ({ text, atMs: timeMs - this.startedAtMs }));
    this.tail.push(...lines.slice(-TAIL_LINES));
    if (this.tail.length > TAIL_LINES) this.tail.splice(0, this.tail.length - TAIL_LINES);
    return lines;
  }
}

/** The vertices of one build. */
export class Vertices {
  readonly #byDigest = new Map<string, VertexState>();

  /** The state of the event's vertex, made when it is new, after the event. */
  track(event: Exclude<ProgressEvent, { readonly kind: 'warning' }>): VertexState {
    let state = this.#byDigest.get(event.vertex.digest);
    if (state === undefined) {
      state = new VertexState(this.#byDigest.size + 1, event.vertex, event.timeMs);
      this.#byDigest.set(event.vertex.digest, state);
    }
    switch (event.kind) {
      case 'started':
        state.outcome = 'running';
        state.startedAtMs = event.timeMs;
        state.endedAtMs = undefined;
        break;
      case 'failed':
      case 'cached':
      case 'completed':
      case 'cancelled':
        state.outcome = event.kind;
        state.endedAtMs = event.timeMs;
        break;
      case 'log':
      case 'status':
        break;
    }
    return state;
  }

  all(): VertexState[] {
    return [...this.#byDigest.values()];
  }
}

/** The last output of the steps that failed, as a block to be read beside the error. */
export function failureTails(vertices: Vertices): string {
  let text = '';
  for (const { outcome, name, tail } of vertices.all()) {
    if (outcome !== 'failed' || tail.length === 0) continue;
    text += `------\n > ${name}:\n${tail.map((line) => `${`${seconds(line.atMs, 3)} ${line.text}`.trimEnd()}\n`).join('')}------\n`;
  }
  return text;
}

/** `1.234`. */
export function seconds(ms: number, digits: number): string {
  return (Math.max(0, ms) / 1000).toFixed(digits);
}
