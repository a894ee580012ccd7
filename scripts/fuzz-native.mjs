// Runs the fuzz targets of the native code, each for some seconds from the inputs in fixtures/fuzz/native.
// Usage: node scripts/fuzz-native.mjs [SECONDS] [TARGET...]. Keeps an input that fails and exits with 1; put it into the target's fixtures.
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const seconds = Number(process.argv[2] ?? 30);
const SOURCES = fileURLToPath(new URL('../src/runtime-native/c/', import.meta.url));
const SEEDS = fileURLToPath(new URL('../fixtures/fuzz/native/', import.meta.url));
const JOBS = 2;

/** In MiB; more would be a reader without a bound. */
const MEMORY = 1024;
/** In seconds for one input, however busy the machine is. */
const TIMEOUT = 30;

if (!Number.isInteger(seconds) || seconds < 1) {
  console.error(`fuzz: want whole seconds, not "${process.argv[2]}"`);
  process.exit(2);
}
const made = spawnSync('make', ['-s', `-j${JOBS}`, '-C', SOURCES, 'fuzz'], { stdio: 'inherit' });
if (made.status !== 0) process.exit(1);

const all = (await readdir(join(SOURCES, 'fuzz')))
  .filter((name) => name.endsWith('.c'))
  .map((name) => name.slice(0, -2));
const targets = process.argv.length > 3 ? process.argv.slice(3) : all.sort();
const folder = await mkdtemp(join(tmpdir(), 'fuzz-native-'));
try {
  for (const target of targets) await run(target);
} finally {
  await rm(folder, { recursive: true });
}

async function run(target) {
  const corpus = join(folder, target);
  const seeds = join(SEEDS, target);
  await mkdir(corpus);
  await cp(seeds, corpus, { recursive: true });
  const kept = join(tmpdir(), `fuzz-native-${target}-`);
  const { status, stderr, error } = spawnSync(
    join(SOURCES, 'build/fuzz', target),
    [
      `-max_total_time=${seconds}`,
      `-rss_limit_mb=${MEMORY}`,
      `-timeout=${TIMEOUT}`,
      `-artifact_prefix=${kept}`,
      '-print_final_stats=1',
      '-verbosity=1',
      corpus,
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const executions = Number(/number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1] ?? 0);
  const coverage = [...stderr.matchAll(/ cov: (\d+) /g)].at(-1)?.[1] ?? '0';
  console.log(`${target}: ${executions} executions, ${coverage} edges, ${(await readdir(corpus)).length} inputs`);
  // A target that ran nothing has shown nothing.
  if (error === undefined && status === 0 && executions > 0) return;
  console.error(`${error?.message ?? stderr.slice(-6000)}`);
  process.exitCode = 1;
}
