/** Flags that limit what containers use, with Docker's names, units and rules: `--memory`, `--cpus`, `--resource` and so on. */
import { availableParallelism } from 'node:os';
import { BuildError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import type { BuildRequest } from '../engine/types.ts';
import { sizeBytes } from './step-options.ts';

type Resources = NonNullable<BuildRequest['resources']>;
type Limits = { -readonly [K in keyof Resources]: Resources[K] };

/** Docker's, so that a container can start at all. */
const MIN_MEMORY_BYTES = 6 * 1024 * 1024;
/** The kernel's, in microseconds; see sched(7). */
const [MIN_PERIOD_US, MAX_PERIOD_US, MIN_QUOTA_US] = [1000, 1_000_000, 1000];
const CPUS_PERIOD_US = 100_000;

const value = (placeholder: string, describe: string) => ({ kind: 'value', placeholder, describe }) as const;

/** What `run` and `build` share. */
export const LIMIT_OPTIONS = {
  memory: { ...value('SIZE', 'Limit of memory, such as 512m'), short: 'm' },
  'memory-swap': value('SIZE', 'Limit of memory and swap together; -1 is unlimited'),
  'cpu-shares': { ...value('SHARES', 'Relative weight of processor time (default: 1024)'), short: 'c' },
  'cpu-period': value('MICROSECONDS', 'Period of the quota of processor time'),
  'cpu-quota': value('MICROSECONDS', 'Processor time in each period'),
  'cpuset-cpus': value('LIST', 'Processors to run on, such as 0-2,5'),
  'cpuset-mems': value('LIST', 'Memory nodes to use'),
  'cgroup-parent': value('PATH', 'Control group to make the container in'),
} as const;

export const RUN_LIMIT_OPTIONS = {
  ...LIMIT_OPTIONS,
  'memory-reservation': value('SIZE', 'Memory that is kept under pressure'),
  'memory-swappiness': value('0-100', 'How readily memory is swapped'),
  cpus: value('NUMBER', 'Number of processors, such as 1.5'),
  'pids-limit': value('NUMBER', 'Limit of processes; -1 is unlimited'),
  'oom-score-adj': value('-1000..1000', 'Preference of the out-of-memory killer'),
  'oom-kill-disable': { kind: 'flag', describe: 'Let processes wait when the memory is used up' },
} as const;

export type LimitFlag = Exclude<keyof typeof RUN_LIMIT_OPTIONS, 'oom-kill-disable' | 'oom-score-adj'>;

const READERS: Readonly<Record<LimitFlag, (flag: string, text: string) => Resources>> = {
  memory: (flag, text) => memory('memoryBytes', flag, text),
  'memory-reservation': (flag, text) => memory('memoryReservationBytes', flag, text),
  'memory-swap': (flag, text) => {
    const size = text === '-1' ? 'unlimited' : sizeBytes(flag, text);
    return size === undefined ? {} : { memorySwapBytes: size };
  },
  'memory-swappiness': (flag, text) => {
    const number = integer(flag, text);
    if (number < -1 || number > 100) throw bad(flag, text, 'want 0 to 100');
    return number === -1 ? {} : { memorySwappiness: number };
  },
  cpus: (flag, text) => {
    const number = /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : Number.NaN;
    const most = availableParallelism();
    if (number === 0) return {};
    if (!(number >= 0.01 && number <= most)) throw bad(flag, text, `want 0.01 to ${most}, the number of processors`);
    return { cpuPeriodUs: CPUS_PERIOD_US, cpuQuotaUs: Math.round(number * CPUS_PERIOD_US) };
  },
  'cpu-shares': (flag, text) => {
    const number = integer(flag, text);
    if (number !== 0 && (number < 2 || number > 262_144)) throw bad(flag, text, 'want 2 to 262144');
    return number === 0 ? {} : { cpuShares: number };
  },
  'cpu-period': (flag, text) => {
    const number = integer(flag, text);
    if (number !== 0 && (number < MIN_PERIOD_US || number > MAX_PERIOD_US))
      throw bad(flag, text, `want ${MIN_PERIOD_US} to ${MAX_PERIOD_US} microseconds`);
    return number === 0 ? {} : { cpuPeriodUs: number };
  },
  'cpu-quota': (flag, text) => {
    const number = integer(flag, text);
    if (number > 0 && number < MIN_QUOTA_US) throw bad(flag, text, `want ${MIN_QUOTA_US} microseconds or more`);
    return number === 0 ? {} : { cpuQuotaUs: number < 0 ? 'unlimited' : number };
  },
  'cpuset-cpus': (flag, text) => set('cpusetCpus', flag, text),
  'cpuset-mems': (flag, text) => set('cpusetMems', flag, text),
  'pids-limit': (flag, text) => {
    const number = integer(flag, text);
    return { pids: number <= 0 ? 'unlimited' : number };
  },
  'cgroup-parent': (flag, text) => {
    if (text.split('/').some((part) => part === '.' || part === '..'))
      throw bad(flag, text, 'want a path without ".."');
    return text === '' ? {} : { parent: text };
  },
};

/** The limits that flags ask for; throws `usage` for what is no limit and for limits that contradict each other. */
export function limits(given: Readonly<Partial<Record<LimitFlag, string | undefined>>>): Resources {
  const out: Limits = {};
  for (const [name, text] of Object.entries(given) as [LimitFlag, string | undefined][]) {
    if (text !== undefined) Object.assign(out, READERS[name](`--${name}`, text));
  }
  for (const other of ['cpu-period', 'cpu-quota'] as const) {
    if (isSet(given.cpus) && isSet(given[other]))
      throw new BuildError('usage', `Cannot use both "--cpus" and "--${other}"`);
  }
  const { memoryBytes, memorySwapBytes, memoryReservationBytes = 0 } = out;
  if (typeof memorySwapBytes === 'number') {
    if (memoryBytes === undefined) throw new BuildError('usage', 'Cannot use "--memory-swap" without "--memory"');
    if (memorySwapBytes < memoryBytes)
      throw bad(
        '--memory-swap',
        given['memory-swap'] ?? '',
        'it is memory and swap together, so not less than "--memory"',
      );
  }
  if (memoryBytes !== undefined && memoryReservationBytes > memoryBytes)
    throw bad('--memory-reservation', given['memory-reservation'] ?? '', 'it is above "--memory"');
  // As Docker does: as much swap as memory.
  if (memoryBytes !== undefined && memorySwapBytes === undefined) out.memorySwapBytes = 'same';
  return out;
}

const RESOURCE_NAMES = [
  'memory',
  'memory-swap',
  'cpu-shares',
  'cpu-period',
  'cpu-quota',
  'cpuset-cpus',
  'cpuset-mems',
] as const;

/** `--resource NAME=VALUE` as flags; a later one in the place of an earlier one. */
export function resourceFlags(items: readonly string[]): Partial<Record<LimitFlag, string>> {
  const out: Partial<Record<LimitFlag, string>> = {};
  for (const item of items) {
    const [, word = '', text] = /^([^=]*)=(.+)$/s.exec(item) ?? [];
    if (text === undefined) throw bad('--resource', item, 'want NAME=VALUE');
    const name = RESOURCE_NAMES.find((known) => known === word);
    if (name === undefined) {
      const near = suggest(word, RESOURCE_NAMES);
      throw new BuildError(
        'usage',
        `Cannot use "${item}" for "--resource": want one of "${RESOURCE_NAMES.join('", "')}"`,
        near === undefined ? {} : { hint: `did you mean "${near}"?` },
      );
    }
    out[name] = text;
  }
  return out;
}

/** `--oom-score-adj`. Throws `usage`. */
export function oomScore(text: string): number {
  const number = integer('--oom-score-adj', text);
  if (number < -1000 || number > 1000) throw bad('--oom-score-adj', text, 'want -1000 to 1000');
  return number;
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && Number(text) !== 0;
}

function memory(field: 'memoryBytes' | 'memoryReservationBytes', flag: string, text: string): Resources {
  const size = sizeBytes(flag, text);
  if (size !== undefined && size < MIN_MEMORY_BYTES) throw bad(flag, text, 'want 6m or more');
  return size === undefined ? {} : { [field]: size };
}

function set(field: 'cpusetCpus' | 'cpusetMems', flag: string, text: string): Resources {
  if (text === '') return {};
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first))
      throw bad(flag, text, 'want numbers and ranges, such as "0-2,5"');
  }
  return { [field]: text };
}

function integer(flag: string, text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw bad(flag, text, 'want a whole number');
  return number;
}

function bad(flag: string, text: string, why: string): BuildError {
  return new BuildError('usage', `Cannot use "${text}" for "${flag}": ${why}`);
}
