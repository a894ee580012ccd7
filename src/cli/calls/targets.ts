/** How the targets of a Dockerfile are printed. */
import type { SourceFile } from '../../core/source.ts';
import type { BuildInspector } from '../../engine/types.ts';
import { printableText } from '../progress/log-lines.ts';
import { columns } from './columns.ts';
import { base64Text, formatJson, jsonLocation } from './json.ts';

type Targets = Awaited<ReturnType<BuildInspector['targets']>>['targets'];

/** As `docker build --call=targets` prints it. */
export function targetsText(targets: Targets): string {
  const rows = targets.map(({ name, isDefault, description }) => [
    [...(name === undefined ? [] : [name]), ...(isDefault ? ['(default)'] : [])].join(' '),
    printableText(description ?? ''),
  ]);
  return columns([['TARGET', 'DESCRIPTION'], ...rows], 1);
}

export function targetsJson(file: SourceFile, targets: Targets): string {
  return formatJson({
    targets: targets.map(({ name, isDefault, description, base, platform, range }) => ({
      ...(name !== undefined && { name }),
      ...(isDefault && { default: true }),
      ...(description !== undefined && { description }),
      base,
      ...(platform !== undefined && { platform }),
      location: jsonLocation(range),
    })),
    sources: [base64Text(file)],
  });
}
