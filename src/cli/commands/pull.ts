/** `tsbuild pull`. */
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { parsePlatform } from '../../core/platform.ts';
import { familiarReference, formatReference, parseReference } from '../../oci/reference.ts';
import { withProgress } from '../progress/with-progress.ts';
import { defineCommand } from '../types.ts';

export const pull = defineCommand({
  name: 'pull',
  operands: 'NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  options: {
    platform: { kind: 'value', placeholder: 'OS/ARCH', describe: 'Platform to choose' },
    quiet: { kind: 'flag', short: 'q', describe: 'Print only the name' },
  },
  unsupported: ['all-tags', 'a', 'disable-content-trust'],
  arity: { min: 1, max: 1 },
  async run(args, context) {
    const { deps } = context;
    const given = args.operands[0]!;
    const reference = parseReference(given);
    const platform = args.value('platform');
    if (platform?.includes(',') === true)
      throw new BuildError('unsupported', `Cannot pull "${platform}": only one platform at a time is supported`);
    if (platform !== undefined) parsePlatform(platform);
    const quiet = args.flag('quiet');
    if (!quiet && reference.digest === undefined && !/:[^/]+$/.test(given))
      deps.stdout.write('Using default tag: latest\n');
    const result = await context.withEngine((engine) =>
      withProgress(quiet ? 'quiet' : 'auto', context, (options) => engine.pull(given, platform, options)),
    );
    if (!quiet) {
      const status = result.upToDate ? 'Image is up to date for' : 'Downloaded newer image for';
      deps.stdout.write(`Digest: ${result.digest}\nStatus: ${status} ${familiarReference(reference)}\n`);
    }
    deps.stdout.write(`${formatReference(reference)}\n`);
    return ExitStatus.ok;
  },
});
