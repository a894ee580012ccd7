/** `tsbuild import`. */
import { resolve } from 'node:path';
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { withProgress } from '../progress/with-progress.ts';
import { defineCommand } from '../types.ts';

export const importCommand = defineCommand({
  name: 'import',
  operands: 'FILE | - [NAME[:TAG]]',
  summary: 'Make an image from a tar of a root filesystem',
  options: {
    change: {
      kind: 'list',
      short: 'c',
      placeholder: 'INSTRUCTION',
      describe: 'Dockerfile instruction to apply, such as \'CMD ["sh"]\'',
    },
    message: { kind: 'value', short: 'm', placeholder: 'TEXT', describe: "Comment in the image's history" },
    platform: { kind: 'value', placeholder: 'OS/ARCH', describe: 'Platform of the image' },
  },
  arity: { min: 1, max: 2 },
  async run(args, context) {
    const { deps } = context;
    const [source = '', name] = args.operands;
    if (/^https?:\/\//.test(source))
      throw new BuildError('unsupported', `Cannot import "${source}": URLs are not supported`);
    const [message, platform] = [args.value('message'), args.value('platform')];
    const input =
      source === '-'
        ? ({ kind: 'stream', stream: deps.stdin() } as const)
        : ({ kind: 'path', path: resolve(deps.cwd, source) } as const);
    const id = await context.withEngine((engine) =>
      withProgress('quiet', context, (options) =>
        engine.import(input, name, args.list('change'), {
          ...options,
          ...(message !== undefined && { message }),
          ...(platform !== undefined && { platform }),
        }),
      ),
    );
    deps.stdout.write(`${id}\n`);
    return ExitStatus.ok;
  },
});
