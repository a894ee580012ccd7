// Runs test/**/*.test.ts, each file in a process of its own, two at a time. Arguments keep the files whose path contains one of them.
//
// Every file must print uvu's summary with at least one test: a suite that forgot to run would else pass in silence.
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PARALLEL = 2;
/** The first run makes a Debian base, which takes minutes where the mirrors are slow. */
const FILE_TIMEOUT_MS = 900_000;
const KILL_GRACE_MS = 5_000;
/** These share the machine's cgroups, mounts and network, so they run one after the other. */
const SERIAL = /^test\/(privileged|native|runtime-native|differential|faults)\//;

const wanted = process.argv.slice(2);
const files = (await readdir(`${ROOT}test`, { recursive: true }))
  .map((name) => `test/${name}`)
  .filter((name) => name.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .sort();

const totals = { passed: 0, failed: 0, skipped: 0 };
if (files.length === 0) {
  console.error(wanted.length === 0 ? 'no test files' : `no test file matches ${wanted.join(' ')}`);
  totals.failed++;
}
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) killGroup(child, 'SIGKILL');
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
const serial = files.filter((file) => SERIAL.test(file));
const parallel = files.filter((file) => !SERIAL.test(file));
await Promise.all(Array.from({ length: PARALLEL }, () => drain(parallel)));
await drain(serial);
console.log(
  `${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`,
);
process.exitCode = totals.failed > 0 ? 1 : 0;

async function drain(queue) {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) report(file, await run(file));
}

function run(file) {
  return new Promise((resolve) => {
    // A group of its own, so that what a test leaves behind can be ended with it.
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    const started = Date.now();
    const chunks = [];
    let timedOut = false;
    let spawnError;
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child, 'SIGKILL');
    }, FILE_TIMEOUT_MS);
    const finish = (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      killGroup(child, 'SIGKILL');
      const output = Buffer.concat(chunks).toString('utf8');
      resolve({ code, signal, timedOut, spawnError, output, elapsedMs: Date.now() - started });
    };
    child.on('error', (error) => {
      spawnError = error;
      finish(null, null);
    });
    // A grandchild may hold the pipes open after the test has ended.
    child.on('exit', (code, signal) => {
      const grace = setTimeout(() => finish(code, signal), KILL_GRACE_MS);
      child.on('close', () => {
        clearTimeout(grace);
        finish(code, signal);
      });
    });
  });
}

function killGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error;
  }
}

function report(file, result) {
  const { total, passed, skipped, summaries } = countTests(result.output);
  const problems = [];
  if (result.spawnError !== undefined) problems.push(`cannot be started: ${result.spawnError.message}`);
  if (result.timedOut) problems.push(`took longer than ${FILE_TIMEOUT_MS / 1000} s`);
  else if (result.signal !== null) problems.push(`was killed by ${result.signal}`);
  else if (result.code !== 0 && total === passed) problems.push(`exited with ${result.code}`);
  if (summaries === 0 && problems.length === 0) problems.push('printed no summary: does the suite call .run()?');
  else if (total === 0 && skipped === 0 && problems.length === 0) problems.push('ran no test');
  totals.passed += passed;
  totals.skipped += skipped;
  // What ended without a summary counts as one failure.
  totals.failed += total - passed + problems.length;
  const failed = total > passed || problems.length > 0;
  const notes = [
    `${passed}/${total}`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    `${(result.elapsedMs / 1000).toFixed(1)} s`,
  ];
  console.log(
    `${failed ? 'FAIL' : 'ok  '} ${file} (${notes.join(', ')})${problems.map((text) => `\n     ${text}`).join('')}`,
  );
  if (failed) console.log(result.output.replace(/^/gm, '  | ').trimEnd());
  else if (skipped > 0)
    for (const line of result.output.split('\n').filter((text) => /skip/i.test(text) && !/^\s*Skipped:/.test(text)))
      console.log(`     ${line.trim()}`);
}

/** Adds up the summaries of uvu: `Total: 3`, `Passed: 3`, `Skipped: 0`, one of each a run. */
function countTests(output) {
  const plain = stripVTControlCharacters(output);
  const sum = (label) => {
    const found = [...plain.matchAll(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'gm'))];
    return { count: found.length, sum: found.reduce((all, match) => all + Number(match[1]), 0) };
  };
  const total = sum('Total');
  return { total: total.sum, passed: sum('Passed').sum, skipped: sum('Skipped').sum, summaries: total.count };
}
