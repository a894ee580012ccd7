/** Turns the bytes that a step prints into lines that are safe to show. */
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** A line that is longer is shown in pieces, so that a step without line breaks cannot fill the memory. */
const MAX_LINE_LENGTH = 64 * 1024;

const CONTROL = /[^\P{Cc}\t]/u;
const CONTROLS = /[^\P{Cc}\t]/gu;

/** What is left of `text` when everything is gone that a terminal would act upon; tabs stay. */
export function printableText(text: string): string {
  // Most lines have none, and looking is much faster than replacing.
  if (!CONTROL.test(text)) return text;
  return stripVTControlCharacters(text).replace(CONTROLS, '');
}

/** The lines of one stream of one step. Characters may be split over chunks. */
export class LogLines {
  readonly #decoder = new StringDecoder('utf8');
  #pending = '';

  /** The lines that `chunk` completes. */
  push(chunk: Uint8Array): string[] {
    this.#pending += this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const lines = this.#pending.split('\n');
    this.#pending = lines.pop() ?? '';
    while (this.#pending.length > MAX_LINE_LENGTH) {
      const end = safeEnd(this.#pending, MAX_LINE_LENGTH);
      lines.push(this.#pending.slice(0, end));
      this.#pending = this.#pending.slice(end);
    }
    return lines.flatMap(visibleLines);
  }

  /** The line without an end, if there is one. */
  end(): string[] {
    const rest = this.#pending + this.#decoder.end();
    this.#pending = '';
    return rest === '' ? [] : visibleLines(rest);
  }
}

/** A carriage return rewinds the line on a terminal: what came before it gets a line of its own instead. */
function visibleLines(line: string): string[] {
  if (!line.includes('\r')) return [printableText(line)];
  const parts = line.split('\r').map(printableText);
  const shown = parts.filter((part) => part !== '');
  return shown.length === 0 ? [''] : shown;
}

/** Not between the halves of a surrogate pair. */
function safeEnd(text: string, at: number): number {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code <= 0xdbff ? at - 1 : at;
}
