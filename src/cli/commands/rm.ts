/** `tsbuild rm`. */
import { forEachName } from '../each.ts';
import { defineCommand } from '../types.ts';

export const rm = defineCommand({
  name: 'rm',
  operands: 'CONTAINER [CONTAINER...]',
  summary: 'Remove containers',
  options: { force: { kind: 'flag', short: 'f', describe: 'Also when it is running: it is killed first' } },
  unsupported: ['link', 'l', 'volumes', 'v'],
  arity: { min: 1, max: Infinity },
  run: (args, { deps, withEngine }) =>
    withEngine((engine) =>
      forEachName(
        args.operands,
        deps,
        async (name) => {
          await engine.removeContainer(name, args.flag('force'));
          deps.stdout.write(`${name}\n`);
        },
        (error) => args.flag('force') && error.code === 'container-not-found',
      ),
    ),
});
