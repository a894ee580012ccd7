/** Progress as JSON, an event a line, for programs: `log` carries its bytes in base64, errors their code and message. */
import type { ProgressEvent } from '../../core/progress.ts';
import type { OutputStream } from '../types.ts';
import type { ProgressRenderer } from './renderer.ts';

export function jsonRenderer(output: Pick<OutputStream, 'write'>): ProgressRenderer {
  return {
    sink: (event) => output.write(`${JSON.stringify(plain(event))}\n`),
    finish: () => undefined,
  };
}

function plain(event: ProgressEvent): unknown {
  switch (event.kind) {
    case 'log':
      return { ...event, data: Buffer.from(event.data).toString('base64') };
    case 'failed':
      return { ...event, error: { code: event.error.code, message: event.error.message } };
    default:
      return event;
  }
}
