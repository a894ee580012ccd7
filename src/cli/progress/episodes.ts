/** For a call whose progress shares the terminal with a container: each burst of steps is shown on its own. */
import type { ProgressRenderer } from './renderer.ts';

/**
 * A renderer that starts with the first step and finishes when no step is left, so that nothing of it is drawn over what comes next;
 * a later step starts another one.
 */
export function episodeRenderer(create: () => ProgressRenderer): ProgressRenderer {
  const open = new Set<string>();
  let current: ProgressRenderer | undefined;
  const finish = (): void => {
    current?.finish();
    current = undefined;
  };
  return {
    sink: (event) => {
      if (event.kind === 'warning') return;
      current ??= create();
      current.sink(event);
      if (event.kind === 'started' || event.kind === 'log' || event.kind === 'status') open.add(event.vertex.digest);
      else open.delete(event.vertex.digest);
      if (open.size === 0) finish();
    },
    finish,
  };
}
