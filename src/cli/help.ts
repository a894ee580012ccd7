/** Help texts, laid out by yargs from the same tables that arguments are read by. Loaded only when asked for. */
import type { Options } from 'yargs';
import yargs from 'yargs';
import { COMMANDS } from './commands.ts';
import type { Command, OptionSpec } from './types.ts';
import { GLOBAL_OPTIONS } from './types.ts';

const WIDTH = 100;

/** `tsbuild COMMAND --help`. */
export async function commandHelp(command: Command): Promise<string> {
  const operands = command.operands === '' ? '' : ` ${command.operands}`;
  const options = Object.entries<OptionSpec>({ ...command.options, ...GLOBAL_OPTIONS });
  const text = await plainYargs()
    .usage(`Usage: tsbuild ${command.name} [OPTIONS]${operands}\n\n${command.summary}`)
    .options(Object.fromEntries(options.map(([name, spec]) => [name, optionOf(spec)])))
    .getHelp();
  return `${text}\n`;
}

/** `tsbuild help`. */
export function generalHelp(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: tsbuild [--root DIR] COMMAND [OPTIONS] ...
       tsbuild [OPTIONS] PATH | -

Builds container images from Dockerfiles, runs them and keeps them in a local store.

Commands:
${lines.join('\n')}

Run 'tsbuild COMMAND --help' for more information on a command.
`;
}

/** No flags of yargs' own, no look at the terminal or the locale. */
function plainYargs(): ReturnType<typeof yargs> {
  return yargs([])
    .scriptName('tsbuild')
    .detectLocale(false)
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(WIDTH)
    .updateStrings({ 'Options:': 'Options:' });
}

function optionOf(spec: OptionSpec): Options {
  const short = spec.short === undefined ? {} : { alias: spec.short };
  if (spec.kind === 'flag') return { ...short, describe: spec.describe, type: 'boolean' };
  const choices = spec.kind === 'value' && spec.choices !== undefined ? ` (${spec.choices.join(', ')})` : '';
  return {
    ...short,
    describe: `${spec.placeholder}: ${spec.describe}${choices}`,
    type: 'string',
    ...(spec.kind === 'list' && { array: true }),
  };
}
