/** `tsbuild ps`. */
import { ExitStatus } from '../../core/errors.ts';
import type { ContainerSummary } from '../../engine/types.ts';
import { printableText } from '../progress/log-lines.ts';
import { ellipsis, shortId, table } from '../table.ts';
import { containerPort, hostPort } from '../ports.ts';
import { defineCommand } from '../types.ts';
import { timeAgo } from '../units.ts';

const COMMAND_LENGTH = 20;

export const ps = defineCommand({
  name: 'ps',
  operands: '',
  summary: 'List containers',
  options: {
    all: { kind: 'flag', short: 'a', describe: 'Also those that have ended' },
    quiet: { kind: 'flag', short: 'q', describe: 'Only IDs' },
    'no-trunc': { kind: 'flag', describe: 'Show everything in full' },
  },
  unsupported: ['filter', 'f', 'format', 'last', 'n', 'latest', 'l', 'size', 's'],
  arity: { min: 0, max: 0 },
  async run(args, { deps, withEngine }) {
    const containers = (await withEngine((engine) => engine.containers()))
      .filter(({ state }) => args.flag('all') || state.kind === 'running')
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
    const full = args.flag('no-trunc');
    const id = (container: ContainerSummary): string => (full ? container.id : shortId(container.id));
    if (args.flag('quiet')) {
      deps.stdout.write(containers.map((container) => `${id(container)}\n`).join(''));
      return ExitStatus.ok;
    }
    const rows = containers.map((container) => {
      const command = printableText(container.command.join(' '));
      return [
        id(container),
        container.image,
        `"${full ? command : ellipsis(command, COMMAND_LENGTH)}"`,
        timeAgo(container.createdAtMs, deps.now()),
        container.state.kind === 'running' ? 'Up' : `Exited (${container.state.code})`,
        container.ports.map((port) => `${hostPort(port)}->${containerPort(port)}`).join(', '),
        container.name,
      ];
    });
    deps.stdout.write(table([['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PORTS', 'NAMES'], ...rows]));
    return ExitStatus.ok;
  },
});
