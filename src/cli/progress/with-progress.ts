/** Runs one call of the engine under a renderer. */
import type { ProgressEvent } from '../../core/progress.ts';
import type { CallOptions } from '../../engine/types.ts';
import type { CommandContext } from '../types.ts';
import { episodeRenderer } from './episodes.ts';
import { printableText } from './log-lines.ts';
import type { ProgressMode } from './renderer.ts';
import { loadRenderer } from './select.ts';

/**
 * The renderer has finished, and warnings are printed, when the returned promise settles, whichever way. With `shared`, others write to
 * the terminal too while no step is running.
 */
export async function withProgress<T>(
  mode: ProgressMode,
  context: CommandContext,
  work: (options: CallOptions) => Promise<T>,
  { shared = false } = {},
): Promise<T> {
  const { deps, env } = context;
  const create = await loadRenderer(mode, deps, env);
  const renderer = shared ? episodeRenderer(create) : create();
  const warnings = new Set<string>();
  const progress = (event: ProgressEvent): void => {
    if (event.kind === 'warning') warnings.add(printableText(event.message));
    renderer.sink(event);
  };
  try {
    return await work({ signal: deps.signal, progress });
  } finally {
    renderer.finish();
    if (mode !== 'rawjson' && mode !== 'none') deps.stderr.write(warningBlock([...warnings]));
  }
}

/** ` 1 warning found:` and a line for each; empty without warnings. */
export function warningBlock(warnings: readonly string[]): string {
  if (warnings.length === 0) return '';
  const title = warnings.length === 1 ? ' 1 warning found:' : ` ${warnings.length} warnings found:`;
  return `\n${title}\n${warnings.map((text) => ` - ${text}\n`).join('')}`;
}
