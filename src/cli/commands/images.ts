/** `tsbuild images`. */
import { ExitStatus } from '../../core/errors.ts';
import type { ImageSummary } from '../../engine/types.ts';
import { shortId, table } from '../table.ts';
import { defineCommand } from '../types.ts';
import { humanSize, timeAgo } from '../units.ts';

export const images = defineCommand({
  name: 'images',
  operands: '[REPOSITORY[:TAG]]',
  summary: 'List images',
  options: {
    all: { kind: 'flag', short: 'a', describe: 'Show all images; none are hidden' },
    quiet: { kind: 'flag', short: 'q', describe: 'Only IDs' },
    'no-trunc': { kind: 'flag', describe: 'Show IDs in full' },
    format: { kind: 'value', placeholder: 'FORMAT', describe: 'Form of the output', choices: ['table', 'json'] },
  },
  unsupported: ['digests', 'filter', 'f', 'tree'],
  arity: { min: 0, max: 1 },
  async run(args, { deps, withEngine }) {
    const [pattern] = args.operands;
    const listed = (await withEngine((engine) => engine.images()))
      .filter((image) => pattern === undefined || matches(image, pattern))
      .map((image) => ({ image, createdAtMs: image.createdAt === undefined ? undefined : Date.parse(image.createdAt) }))
      .sort((a, b) => (b.createdAtMs ?? 0) - (a.createdAtMs ?? 0));
    const id = (image: ImageSummary): string => (args.flag('no-trunc') ? image.id : shortId(image.id));
    if (args.flag('quiet')) {
      deps.stdout.write(listed.map(({ image }) => `${id(image)}\n`).join(''));
      return ExitStatus.ok;
    }
    const size = (image: ImageSummary): string => (image.sizeBytes === undefined ? 'N/A' : humanSize(image.sizeBytes));
    if (args.value('format') === 'json') {
      const lines = listed.map(({ image, createdAtMs }) =>
        JSON.stringify({
          CreatedAt: createdAtMs === undefined ? 'N/A' : goTime(createdAtMs),
          CreatedSince: timeAgo(createdAtMs, deps.now()),
          ID: id(image),
          Repository: image.repository,
          Size: size(image),
          Tag: image.tag,
        }),
      );
      deps.stdout.write(lines.map((line) => `${line}\n`).join(''));
      return ExitStatus.ok;
    }
    const rows = listed.map(({ image, createdAtMs }) => [
      image.repository,
      image.tag,
      id(image),
      timeAgo(createdAtMs, deps.now()),
      size(image),
    ]);
    deps.stdout.write(table([['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'], ...rows]));
    return ExitStatus.ok;
  },
});

/** A pattern of Docker's: a repository, with or without a tag, where `*` and `?` stay within a part of the path. */
function matches({ repository, tag }: ImageSummary, pattern: string): boolean {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const expression = new RegExp(`^${source}$`);
  return expression.test(repository) || expression.test(`${repository}:${tag}`);
}

/** Go's `Time.String()` in UTC. */
function goTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;
}
