/** `tsbuild version`. */
import { ExitStatus } from '../../core/errors.ts';
import { formatPlatform, hostPlatform } from '../../core/platform.ts';
import { defineCommand } from '../types.ts';
import { LANGUAGE_VERSION, version } from '../version.ts';

export const versionCommand = defineCommand({
  name: 'version',
  operands: '',
  summary: 'Show the version',
  options: { short: { kind: 'flag', describe: 'Only "tsbuild version X"' } },
  arity: { min: 0, max: 0 },
  async run(args, { deps }) {
    const text = args.flag('short')
      ? `tsbuild version ${version}\n`
      : `tsbuild:\n Version:   ${version}\n Language:  Dockerfile ${LANGUAGE_VERSION}\n Node.js:   ${process.versions.node}\n Platform:  ${formatPlatform(hostPlatform())}\n`;
    deps.stdout.write(text);
    return ExitStatus.ok;
  },
});
