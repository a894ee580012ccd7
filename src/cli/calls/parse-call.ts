/** `build --check` and `build --call`: what is asked about a build instead of building. */
import { BuildError } from '../../core/errors.ts';
import { notAChoice } from '../parse.ts';

const METHODS = ['build', 'check', 'outline', 'targets', 'subrequests.describe'] as const;

export interface BuildCall {
  readonly method: Exclude<(typeof METHODS)[number], 'build'>;
  readonly json: boolean;
  /** `ignorestatus`: findings of checks do not change the exit status. */
  readonly ignoreStatus: boolean;
}

/** Reads `METHOD[,format=text|json][,ignorestatus]`; undefined if a build is what is wanted. Throws `usage`. */
export function parseCall(text: string | undefined, check: boolean): BuildCall | undefined {
  const [name = '', ...fields] = (text ?? 'build').split(',');
  // Docker knows the checks under the name of its frontend's request, too.
  const method = name === 'lint' ? 'check' : METHODS.find((known) => known === name);
  if (method === undefined) throw notAChoice('--call', name, METHODS);
  if (check && method !== 'build' && method !== 'check')
    throw new BuildError('usage', `Cannot use "--check" together with "--call=${name}"`);
  const options = { json: false, ignoreStatus: false };
  for (const field of fields) {
    switch (field) {
      case 'format=text':
      case 'format=json':
        options.json = field === 'format=json';
        break;
      case 'ignorestatus':
      case 'ignorestatus=true':
      case 'ignorestatus=false':
        options.ignoreStatus = field !== 'ignorestatus=false';
        break;
      default:
        throw new BuildError(
          'usage',
          `Cannot use "${field}" in "--call": want format=text, format=json or ignorestatus`,
        );
    }
  }
  if (method !== 'build') return { method, ...options };
  return check ? { method: 'check', ...options } : undefined;
}
