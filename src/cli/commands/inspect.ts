/** `tsbuild inspect`. */
import type { ImageInspection } from '../../engine/types.ts';
import { forEachName } from '../each.ts';
import { defineCommand } from '../types.ts';

export const inspect = defineCommand({
  name: 'inspect',
  operands: 'IMAGE [IMAGE...]',
  summary: 'Show images in detail, as JSON',
  options: {},
  unsupported: ['format', 'f', 'platform', 'size', 's', 'type'],
  arity: { min: 1, max: Infinity },
  async run(args, { deps, withEngine }) {
    const found: ImageInspection[] = [];
    const status = await withEngine((engine) =>
      forEachName(args.operands, deps, async (name) => {
        found.push(await engine.inspect(name));
      }),
    );
    deps.stdout.write(`${JSON.stringify(found, undefined, 4)}\n`);
    return status;
  },
});
