/** No progress, but when a step fails, its last output: an error alone rarely says enough. */
import type { OutputStream } from '../types.ts';
import type { ProgressRenderer } from './renderer.ts';
import { failureTails, Vertices } from './vertices.ts';

export function quietRenderer(output: Pick<OutputStream, 'write'>): ProgressRenderer {
  const vertices = new Vertices();
  return {
    sink: (event) => {
      if (event.kind === 'warning') return;
      const state = vertices.track(event);
      if (event.kind === 'log') state.log(event);
      else if (event.kind === 'failed') state.endLogs(event.timeMs);
    },
    finish: () => {
      const tails = failureTails(vertices);
      if (tails !== '') output.write(tails);
    },
  };
}
