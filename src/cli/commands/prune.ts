/** `tsbuild prune`. */
import { ExitStatus, throwIfAborted } from '../../core/errors.ts';
import type { PruneOutcome } from '../../engine/types.ts';
import { withProgress } from '../progress/with-progress.ts';
import type { CliDeps } from '../types.ts';
import { defineCommand } from '../types.ts';
import { humanSize } from '../units.ts';

const MAX_ANSWER_BYTES = 4096;

export const prune = defineCommand({
  name: 'prune',
  operands: '',
  summary: 'Remove what is not used',
  options: {
    all: { kind: 'flag', short: 'a', describe: 'Also images with a name that no container uses, and all build cache' },
    force: { kind: 'flag', short: 'f', describe: 'Do not ask' },
  },
  unsupported: ['filter', 'volumes'],
  arity: { min: 0, max: 0 },
  async run(args, context) {
    const { deps } = context;
    const all = args.flag('all');
    if (!args.flag('force') && !(await confirmed(all, deps))) {
      deps.stderr.write('Nothing was removed\n');
      return ExitStatus.failure;
    }
    const outcome = await context.withEngine((engine) =>
      withProgress('quiet', context, (options) => engine.prune({ all }, options)),
    );
    deps.stdout.write(summary(outcome));
    return ExitStatus.ok;
  },
});

async function confirmed(all: boolean, deps: CliDeps): Promise<boolean> {
  const images = all ? 'all images without at least one container associated to them' : 'all dangling images';
  const cache = all ? 'all build cache' : 'unused build cache';
  deps.stdout.write(`WARNING! This will remove:\n  - all stopped containers\n  - ${images}\n  - ${cache}\n\n`);
  deps.stdout.write('Are you sure you want to continue? [y/N] ');
  const answer = await firstLine(deps.stdin(), deps.signal);
  return ['y', 'yes'].includes(answer.trim().toLowerCase());
}

/** What is typed up to the end of the line; rejects when `signal` is aborted, however long nobody types. */
async function firstLine(input: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    readLine(input).then(resolve, reject);
  });
}

async function readLine(input: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += Buffer.from(chunk).toString('utf8');
    if (text.includes('\n') || text.length > MAX_ANSWER_BYTES) break;
  }
  return text.split('\n')[0] ?? '';
}

function summary(outcome: PruneOutcome): string {
  const section = (title: string, items: readonly string[]): string =>
    items.length === 0 ? '' : `${title}:\n${items.map((item) => `${item}\n`).join('')}\n`;
  return [
    section('Deleted Containers', outcome.removedContainers),
    section('Deleted Images', outcome.removedImages),
    outcome.removedRecords === 0 ? '' : `Deleted build cache records: ${outcome.removedRecords}\n\n`,
    `Total reclaimed space: ${humanSize(outcome.reclaimedBytes, 4)}\n`,
  ].join('');
}
