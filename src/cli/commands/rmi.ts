/** `tsbuild rmi`. */
import { forEachName } from '../each.ts';
import { defineCommand } from '../types.ts';

export const rmi = defineCommand({
  name: 'rmi',
  operands: 'IMAGE [IMAGE...]',
  summary: 'Remove images',
  options: { force: { kind: 'flag', short: 'f', describe: 'Also when a container or another name uses it' } },
  unsupported: ['no-prune', 'platform'],
  arity: { min: 1, max: Infinity },
  run: (args, { deps, withEngine }) =>
    withEngine((engine) =>
      forEachName(
        args.operands,
        deps,
        async (name) => {
          const { untagged, deleted } = await engine.removeImage(name, args.flag('force'));
          deps.stdout.write(
            [...untagged.map((tag) => `Untagged: ${tag}\n`), ...deleted.map((id) => `Deleted: ${id}\n`)].join(''),
          );
        },
        (error) => args.flag('force') && error.code === 'image-not-found',
      ),
    ),
});
