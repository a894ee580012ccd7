/** `tsbuild help [COMMAND]`. */
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { suggest } from '../../core/suggest.ts';
import { COMMANDS } from '../commands.ts';
import { defineCommand } from '../types.ts';

export const help = defineCommand({
  name: 'help',
  operands: '[COMMAND]',
  summary: 'Show help on a command',
  options: {},
  arity: { min: 0, max: 1 },
  async run({ operands: [name] }, { deps }) {
    const { commandHelp, generalHelp } = await import('../help.ts');
    if (name === undefined) {
      deps.stdout.write(generalHelp());
      return ExitStatus.ok;
    }
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (entry === undefined) {
      const near = suggest(name, Object.keys(COMMANDS));
      throw new BuildError(
        'usage',
        `Unknown command "${name}"`,
        near === undefined ? {} : { hint: `did you mean "${near}"?` },
      );
    }
    deps.stdout.write(await commandHelp(await entry.load()));
    return ExitStatus.ok;
  },
});
