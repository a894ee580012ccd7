/** How layers are stacked, from the environment. */
import { BuildError } from '../core/errors.ts';
import type { Snapshotter } from '../core/snapshotter.ts';
import { isSnapshotter, SNAPSHOTTERS } from '../core/snapshotter.ts';
import type { Environment } from './types.ts';

/** Undefined when nothing is set. Throws `usage`. */
export function snapshotterOf(env: Environment): Snapshotter | undefined {
  const name = env['TSBUILD_SNAPSHOTTER'] ?? '';
  if (name === '') return undefined;
  if (isSnapshotter(name)) return name;
  throw new BuildError('usage', `Cannot use "${name}" of $TSBUILD_SNAPSHOTTER to stack layers`, {
    hint: `want one of ${SNAPSHOTTERS.map((known) => `"${known}"`).join(', ')}`,
  });
}
