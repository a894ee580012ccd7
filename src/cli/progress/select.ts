/** Chooses and loads the renderer. */
import type { CliDeps, Environment } from '../types.ts';
import type { ProgressMode, ProgressRenderer } from './renderer.ts';

/** What makes renderers for `mode`; `auto` draws when stderr is a terminal that can. */
export async function loadRenderer(
  mode: ProgressMode,
  deps: CliDeps,
  env: Environment,
): Promise<() => ProgressRenderer> {
  switch (mode === 'auto' ? (deps.stderr.isTTY && env['TERM'] !== 'dumb' ? 'tty' : 'plain') : mode) {
    case 'tty': {
      const { ttyRenderer } = await import('./tty.ts');
      const color = (env['NO_COLOR'] ?? '') === '';
      return () => ttyRenderer({ output: deps.stderr, color, now: () => deps.now(), every: timerTicker });
    }
    case 'plain': {
      const { plainRenderer } = await import('./plain.ts');
      return () => plainRenderer(deps.stderr);
    }
    case 'rawjson': {
      const { jsonRenderer } = await import('./json.ts');
      return () => jsonRenderer(deps.stderr);
    }
    case 'quiet': {
      const { quietRenderer } = await import('./quiet.ts');
      return () => quietRenderer(deps.stderr);
    }
    default:
      return () => ({ sink: () => undefined, finish: () => undefined });
  }
}

function timerTicker(tick: () => void, ms: number): () => void {
  const timer = setInterval(tick, ms);
  timer.unref();
  return () => clearInterval(timer);
}
