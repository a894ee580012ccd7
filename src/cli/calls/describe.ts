/** What can be asked of a build: `--call=subrequests.describe`, as Docker's frontend answers it. */
import { columns } from './columns.ts';
import { formatJson } from './json.ts';

interface Subrequest {
  readonly name: string;
  readonly description: string;
  readonly opts: readonly { readonly name: string; readonly description: string }[] | null;
}

const VERSION = '1.0.0';
const PREFIX = 'frontend.';

/** In Docker's order. Checks are not among them, there neither. */
const SUBREQUESTS: readonly Subrequest[] = [
  {
    name: 'outline',
    description: 'List all parameters current build target supports',
    opts: [{ name: 'target', description: 'Target build stage' }],
  },
  { name: 'targets', description: 'List all targets current build supports', opts: [] },
  { name: 'subrequests.describe', description: 'List available subrequest types', opts: null },
];

export function describeText(): string {
  const rows = SUBREQUESTS.map(({ name, description }) => [name, VERSION, description]);
  return columns([['NAME', 'VERSION', 'DESCRIPTION'], ...rows], 1);
}

export function describeJson(): string {
  return formatJson(
    SUBREQUESTS.map(({ name, description, opts }) => ({
      name: `${PREFIX}${name}`,
      version: VERSION,
      type: 'rpc',
      description,
      opts,
      inputs: null,
      metadata: ['result.json', 'result.txt'].map((result) => ({ name: result, description: '' })),
      refs: null,
    })),
  );
}
