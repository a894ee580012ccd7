/** What a container uses, from the lines that c/cgroup_stats.c writes: a name, a space and a number. */
import type { ContainerStats } from './types.ts';

/** Throws for what is no such line: the two sides are of one version. */
export function parseStats(text: string): ContainerStats {
  const numbers = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, name = '', digits] = /^([a-z._]+) (\d+)$/.exec(line) ?? [];
    if (digits === undefined) throw new Error(`the native runtime sent the statistics line ${JSON.stringify(line)}`);
    numbers.set(name, Number(digits));
  }
  const group = <K extends string>(prefix: string, names: Readonly<Record<K, string>>): Partial<Record<K, number>> => {
    const found: Partial<Record<K, number>> = {};
    for (const key of Object.keys(names) as K[]) {
      const number = numbers.get(`${prefix}.${names[key]}`);
      if (number !== undefined) found[key] = number;
    }
    return found;
  };
  return {
    memory: group('memory', {
      currentBytes: 'current',
      peakBytes: 'peak',
      limitBytes: 'limit',
      swapBytes: 'swap',
      anonBytes: 'anon',
      fileBytes: 'file',
      inactiveFileBytes: 'inactive_file',
      kernelBytes: 'kernel',
    }),
    cpu: group('cpu', {
      usageUs: 'usage',
      userUs: 'user',
      systemUs: 'system',
      periods: 'periods',
      throttledPeriods: 'throttled',
      throttledUs: 'throttled_time',
    }),
    pids: group('pids', { current: 'current', limit: 'limit' }),
    io: group('io', {
      readBytes: 'read',
      writtenBytes: 'written',
      readOperations: 'reads',
      writeOperations: 'writes',
    }),
  };
}
