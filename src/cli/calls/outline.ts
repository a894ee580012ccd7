/** How the parameters of a target are printed. */
import type { SourceFile } from '../../core/source.ts';
import type { BuildInspector } from '../../engine/types.ts';
import { printableText } from '../progress/log-lines.ts';
import { columns } from './columns.ts';
import { base64Text, formatJson, jsonLocation } from './json.ts';

type Outline = Awaited<ReturnType<BuildInspector['outline']>>['outline'];

/** As `docker build --call=outline` prints it; caches are ours. */
export function outlineText({ name, description, args, secrets, ssh, caches }: Outline): string {
  const head = [
    ...(name === undefined ? [] : [['TARGET:', name]]),
    ...(description === undefined ? [] : [['DESCRIPTION:', description]]),
  ];
  const mounts = (title: string, rows: Outline['secrets']): readonly (readonly string[])[] => [
    [title, 'REQUIRED'],
    ...rows.map((row) => [row.name, row.required ? 'true' : '']),
  ];
  const argRows = args.map((arg) => [arg.name, arg.value ?? '', arg.description ?? '']);
  return [
    head.length === 0 ? '' : table(head, 1),
    args.length === 0 ? '' : table([['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...argRows]),
    secrets.length === 0 ? '' : table(mounts('SECRET', secrets)),
    ssh.length === 0 ? '' : table(mounts('SSH', ssh)),
    caches.length === 0 ? '' : table([['CACHE'], ...caches.map((cache) => [cache.name])]),
  ].join('');
}

function table(rows: readonly (readonly string[])[], gap = 3): string {
  return `${columns(
    rows.map((row) => row.map(printableText)),
    gap,
  )}\n`;
}

export function outlineJson(file: SourceFile, outline: Outline): string {
  const { name, description, args, secrets, ssh, caches } = outline;
  const mounts = (list: Outline['secrets']): readonly unknown[] =>
    list.map((mount) => ({
      name: mount.name,
      ...(mount.required && { required: true }),
      location: jsonLocation(mount.range),
    }));
  return formatJson({
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(args.length > 0 && {
      args: args.map((arg) => ({
        name: arg.name,
        ...(arg.description !== undefined && { description: arg.description }),
        ...(arg.value !== undefined && arg.value !== '' && { value: arg.value }),
        location: jsonLocation(arg.range),
      })),
    }),
    ...(secrets.length > 0 && { secrets: mounts(secrets) }),
    ...(ssh.length > 0 && { ssh: mounts(ssh) }),
    ...(caches.length > 0 && {
      cache: caches.map((cache) => ({ ID: cache.name, location: jsonLocation(cache.range) })),
    }),
    sources: [base64Text(file)],
  });
}
