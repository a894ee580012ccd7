/** Chooses and loads the renderer. */
import type { CliDeps, Environment } from '../types.ts';
import type { ProgressMode, ProgressRenderer } from './renderer.ts';

/** The renderer for `mode`; `auto` draws when stderr is a terminal that can. */
export async function createRenderer(mode: ProgressMode, deps: CliDeps, env: Environment): Promise<ProgressRenderer> {
  switch (mode === 'auto' ? (deps.stderr.isTTY && env['TERM'] !== 'dumb' ? 'tty' : 'plain') : mode) {
    case 'tty': {
      const { ttyRenderer } = await import('./tty.ts');
      return ttyRenderer({
        output: deps.stderr,
        color: (env['NO_COLOR'] ?? '') === '',
        now: () => deps.now(),
        every: timerTicker,
      });
    }
    case 'plain':
      return (await import('./plain.ts')).plainRenderer(deps.stderr);
    case 'rawjson':
      return (await import('./json.ts')).jsonRenderer(deps.stderr);
    case 'quiet':
      return (await import('./quiet.ts')).quietRenderer(deps.stderr);
    default:
      return { sink: () => undefined, finish: () => undefined };
  }
}

function timerTicker(tick: () => void, ms: number): () => void {
  const timer = setInterval(tick, ms);
  timer.unref();
  return () => clearInterval(timer);
}
