/** Several processes on one cache directory, finding, saving and pruning at once. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tempDir } from './rig.ts';

const test = suite('a cache shared by processes');

const WORKER = fileURLToPath(new URL('./sharing-worker.ts', import.meta.url));

interface Totals {
  readonly hits: number;
  readonly misses: number;
  readonly removed: number;
}

async function runWorker(
  role: 'builder' | 'pruner',
  root: string,
  name: string,
  rounds: number,
  base: number,
): Promise<Totals> {
  const child = spawn(process.execPath, ['--import', 'tsx', WORKER, role, root, name, String(rounds), String(base)], {
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as Totals;
}

test('builders share their work, and nothing in use is pruned', async () => {
  using dir = tempDir();
  const base = Date.now();
  const workers = await Promise.all([
    runWorker('builder', dir.path, 'one', 60, base),
    runWorker('builder', dir.path, 'two', 60, base),
    runWorker('pruner', dir.path, 'three', 120, base),
    runWorker('pruner', dir.path, 'four', 120, base),
  ]);
  const sum = (of: (totals: Totals) => number): number => workers.reduce((total, worker) => total + of(worker), 0);
  const [hits, misses, removed] = [
    sum((worker) => worker.hits),
    sum((worker) => worker.misses),
    sum((worker) => worker.removed),
  ];
  assert.is(hits + misses, 2 * 60 * 30);
  assert.ok(hits > 0);
  assert.ok(removed > 0, 'the pruners had something to do');
  assert.is(readdirSync(join(dir.path, 'things')).length, misses - removed, 'no thing is removed twice');
  for (const empty of ['leases', 'cache/tmp', 'cache/claimed', 'cache/pruning'])
    assert.equal(readdirSync(join(dir.path, empty)), []);
});

test.run();
