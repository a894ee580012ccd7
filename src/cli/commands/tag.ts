/** `tsbuild tag`. */
import { ExitStatus } from '../../core/errors.ts';
import { defineCommand } from '../types.ts';

export const tag = defineCommand({
  name: 'tag',
  operands: 'SOURCE TARGET',
  summary: 'Give an image another name',
  options: {},
  arity: { min: 2, max: 2 },
  async run({ operands: [source = '', target = ''] }, { withEngine }) {
    await withEngine((engine) => engine.tag(source, target));
    return ExitStatus.ok;
  },
});
