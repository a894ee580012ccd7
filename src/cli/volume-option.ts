/** `-v [SOURCE:]TARGET[:OPTIONS]`. */
import { resolve } from 'node:path';
import { BuildError } from '../core/errors.ts';
import { rootedPath } from '../core/paths.ts';
import type { VolumeOption } from '../engine/types.ts';

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const UNSUPPORTED = new Set([
  'z',
  'Z',
  'cached',
  'delegated',
  'consistent',
  'nocopy',
  'shared',
  'rshared',
  'slave',
  'rslave',
  'private',
  'rprivate',
  'volume-nocopy',
]);

/** Throws `usage` for what is malformed, `unsupported` for options that Docker has and tsbuild has not. */
export function parseVolume(text: string, cwd: string): VolumeOption {
  const parts = text.split(':');
  const invalid = (why: string): BuildError => new BuildError('usage', `Cannot use volume "${text}": ${why}`);
  if (parts.length > 3 || parts.some((part) => part === '')) throw invalid('want [SOURCE:]TARGET[:ro]');
  const [first = '', second, third] = parts;
  const source = second === undefined ? undefined : first;
  const target = second ?? first;
  if (!target.startsWith('/')) throw invalid(`the target "${target}" is not an absolute path`);
  if (rootedPath(target) === '/') throw invalid('the target cannot be "/"');
  let readonly = false;
  for (const option of third?.split(',') ?? []) {
    if (option === 'ro') readonly = true;
    else if (option === 'rw') readonly = false;
    else if (UNSUPPORTED.has(option))
      throw new BuildError('unsupported', `Cannot use volume "${text}": the option "${option}" is not supported`);
    else throw invalid(`unknown option "${option}"`);
  }
  return {
    target: rootedPath(target),
    readonly,
    ...(source !== undefined && { source: volumeSource(source, cwd, invalid) }),
  };
}

function volumeSource(source: string, cwd: string, invalid: (why: string) => BuildError): string {
  if (
    source.startsWith('/') ||
    source === '.' ||
    source === '..' ||
    source.startsWith('./') ||
    source.startsWith('../')
  )
    return resolve(cwd, source);
  if (!VOLUME_NAME.test(source)) throw invalid(`"${source}" is neither a path nor the name of a volume`);
  return source;
}
