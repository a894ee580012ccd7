/** `tsbuild load`. */
import { resolve } from 'node:path';
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { withProgress } from '../progress/with-progress.ts';
import { defineCommand } from '../types.ts';

export const load = defineCommand({
  name: 'load',
  operands: '',
  summary: 'Read images from an archive',
  options: {
    input: {
      kind: 'value',
      short: 'i',
      placeholder: 'FILE',
      describe: 'Archive or OCI layout directory (default: stdin)',
    },
    quiet: { kind: 'flag', short: 'q', describe: 'Show no progress' },
  },
  unsupported: ['platform'],
  arity: { min: 0, max: 0 },
  async run(args, context) {
    const { deps } = context;
    const file = args.value('input');
    if (file === undefined && deps.stdin().isTTY) {
      throw new BuildError('usage', 'Cannot read an archive from a terminal', {
        hint: 'use "-i FILE" or redirect the input',
      });
    }
    const input =
      file === undefined
        ? ({ kind: 'stream', stream: deps.stdin() } as const)
        : ({ kind: 'path', path: resolve(deps.cwd, file) } as const);
    const mode = args.flag('quiet') ? 'quiet' : 'auto';
    const names = await context.withEngine((engine) =>
      withProgress(mode, context, (options) => engine.load(input, options)),
    );
    deps.stdout.write(
      names.map((name) => `${name.startsWith('sha256:') ? 'Loaded image ID' : 'Loaded image'}: ${name}\n`).join(''),
    );
    return ExitStatus.ok;
  },
});
