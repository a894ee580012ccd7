/** `tsbuild save`. */
import { resolve } from 'node:path';
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { withProgress } from '../progress/with-progress.ts';
import { defineCommand } from '../types.ts';

export const save = defineCommand({
  name: 'save',
  operands: 'IMAGE [IMAGE...]',
  summary: 'Write images to an archive',
  options: { output: { kind: 'value', short: 'o', placeholder: 'FILE', describe: 'Where to write (default: stdout)' } },
  unsupported: ['platform'],
  arity: { min: 1, max: Infinity },
  async run(args, context) {
    const { deps } = context;
    const file = args.value('output');
    if (file === '') throw new BuildError('usage', 'Flag "--output" needs a file');
    if (file === undefined && deps.stdout.isTTY) {
      throw new BuildError('usage', 'Cannot write an archive to a terminal', {
        hint: 'use "-o FILE" or redirect the output',
      });
    }
    const output =
      file === undefined ? ({ kind: 'stdout' } as const) : ({ kind: 'file', path: resolve(deps.cwd, file) } as const);
    await context.withEngine((engine) =>
      withProgress('quiet', context, (options) => engine.save(args.operands, output, options)),
    );
    return ExitStatus.ok;
  },
});
