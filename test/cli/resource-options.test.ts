import { availableParallelism } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limits, oomScore, resourceFlags } from '../../src/cli/resource-options.ts';
import { BuildError } from '../../src/core/errors.ts';

const MIB = 1024 * 1024;
const tests = suite('flags that limit containers');

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof BuildError && error.code === 'usage') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

tests('no flag limits nothing, and zero asks for the default', () => {
  assert.equal(limits({}), {});
  assert.equal(limits({ memory: '0', 'memory-swap': '0', 'cpu-shares': '0', 'cpu-quota': '0', cpus: '0' }), {});
});

tests('memory brings as much swap, unless that is limited too', () => {
  assert.equal(limits({ memory: '64m' }), { memoryBytes: 64 * MIB, memorySwapBytes: 'same' });
  assert.equal(limits({ memory: '64m', 'memory-swap': '64m' }), { memoryBytes: 64 * MIB, memorySwapBytes: 64 * MIB });
  assert.equal(limits({ 'memory-swap': '-1' }), { memorySwapBytes: 'unlimited' });
});

tests('processors become a quota of a tenth of a second', () => {
  assert.equal(limits({ cpus: '.5' }), { cpuPeriodUs: 100_000, cpuQuotaUs: 50_000 });
});

tests('refuses what Docker refuses', () => {
  const cases: [Parameters<typeof limits>[0], string][] = [
    [{ memory: '5m' }, 'Cannot use "5m" for "--memory": want 6m or more'],
    [{ memory: 'x' }, 'Cannot use "x" for "--memory": want a size such as "64m"'],
    [{ memory: '10m', 'memory-swap': '7m' }, 'not less than "--memory"'],
    [{ 'memory-swap': '10m' }, 'Cannot use "--memory-swap" without "--memory"'],
    [{ memory: '10m', 'memory-reservation': '20m' }, 'it is above "--memory"'],
    [{ 'memory-swappiness': '101' }, 'want 0 to 100'],
    [{ cpus: '0.001' }, `want 0.01 to ${availableParallelism()}`],
    [{ cpus: '9999' }, 'the number of processors'],
    [{ cpus: '1', 'cpu-quota': '5000' }, 'Cannot use both "--cpus" and "--cpu-quota"'],
    [{ cpus: '1', 'cpu-period': '5000' }, 'Cannot use both "--cpus" and "--cpu-period"'],
    [{ 'cpu-shares': '-1' }, 'want 2 to 262144'],
    [{ 'cpu-period': '5' }, 'want 1000 to 1000000 microseconds'],
    [{ 'cpu-quota': '5' }, 'want 1000 microseconds or more'],
    [{ 'cpuset-cpus': '1-0' }, 'Cannot use "1-0" for "--cpuset-cpus"'],
    [{ 'cpuset-mems': 'x' }, 'want numbers and ranges'],
    [{ 'pids-limit': '1.5' }, 'want a whole number'],
    [{ 'cgroup-parent': '../x' }, 'want a path without ".."'],
  ];
  for (const [given, message] of cases)
    assert.match(
      refusal(() => limits(given)),
      message,
    );
  assert.match(
    refusal(() => oomScore('1001')),
    'want -1000 to 1000',
  );
});

tests('reads --resource as the flag of that name', () => {
  assert.equal(resourceFlags(['memory=1g', 'cpu-quota=5000', 'memory=2g']), { memory: '2g', 'cpu-quota': '5000' });
  assert.match(
    refusal(() => resourceFlags(['memroy=1g'])),
    'want one of "memory"',
  );
  assert.match(
    refusal(() => resourceFlags(['memory'])),
    'want NAME=VALUE',
  );
});

tests.run();
