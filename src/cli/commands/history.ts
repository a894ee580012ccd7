/** `tsbuild history`. */
import { ExitStatus } from '../../core/errors.ts';
import type { HistoryLine } from '../../engine/types.ts';
import { printableText } from '../progress/log-lines.ts';
import { ellipsis, shortId, table } from '../table.ts';
import { defineCommand } from '../types.ts';
import { humanSize, timeAgo } from '../units.ts';

const STEP_LENGTH = 45;
const MISSING = '<missing>';

export const history = defineCommand({
  name: 'history',
  operands: 'IMAGE',
  summary: 'Show the steps that an image was made by',
  options: {
    'no-trunc': { kind: 'flag', describe: 'Show everything in full' },
    quiet: { kind: 'flag', short: 'q', describe: 'Only IDs' },
  },
  unsupported: ['format', 'human', 'H', 'platform'],
  arity: { min: 1, max: 1 },
  async run(args, { deps, withEngine }) {
    const full = args.flag('no-trunc');
    const lines = await withEngine((engine) => engine.history(args.operands[0]!));
    const id = (line: HistoryLine): string => (full || line.id === MISSING ? line.id : shortId(line.id));
    if (args.flag('quiet')) {
      deps.stdout.write(lines.map((line) => `${id(line)}\n`).join(''));
      return ExitStatus.ok;
    }
    const rows = lines.map((line) => {
      const step = printableText((line.entry.created_by ?? '').replace(/\s/g, ' '));
      const created = line.entry.created === undefined ? undefined : Date.parse(line.entry.created);
      return [
        id(line),
        timeAgo(created, deps.now()),
        full ? step : ellipsis(step, STEP_LENGTH),
        humanSize(line.sizeBytes),
        printableText(line.entry.comment ?? ''),
      ];
    });
    deps.stdout.write(table([['IMAGE', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'], ...rows]));
    return ExitStatus.ok;
  },
});
