// What a RUN step that does nothing adds to a build, beside what the kernel takes for the same namespaces.
//
//   node bench/steps.mjs [--steps N] [--rounds N] [--dir DIR]
//
// Builds of 1 and of N steps are timed by turns as whole processes, on a store that is made anew each time in DIR (default: the directory
// for temporary files); a step costs the difference divided by N - 1. Needs root, a static busybox and `npm run build`.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { steps: { type: 'string' }, rounds: { type: 'string' }, dir: { type: 'string' } },
});
const [steps, rounds] = [Number(values.steps ?? 51), Number(values.rounds ?? 5)];
const tsbuild = fileURLToPath(new URL('../bin/tsbuild', import.meta.url));
const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
const folder = mkdtempSync(join(values.dir ?? tmpdir(), 'bench-steps-'));
const store = join(folder, 'store');

function time(command, args, env = {}) {
  const start = performance.now();
  execFileSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...env },
  });
  return performance.now() - start;
}

function build(network, count) {
  const file = join(folder, 'Dockerfile');
  const runs = Array.from({ length: count }, (_, i) => `RUN --network=${network} : ${i}; true`);
  writeFileSync(file, ['FROM scratch', 'COPY busybox /bin/sh', ...runs, ''].join('\n'));
  rmSync(store, { recursive: true, force: true });
  const args = ['build', '-q', '--allow', 'network.host', '-f', file, join(folder, 'context')];
  return time(tsbuild, args, { TSBUILD_ROOT: store });
}

const contestants = {
  'busybox true': () => time(busybox, ['true']),
  'unshare -mpniu --fork busybox true': () => time('unshare', ['-mpniu', '--fork', busybox, 'true']),
  ...Object.fromEntries(
    ['default', 'none', 'host'].map((network) => [
      `RUN true, network ${network}`,
      () => {
        const one = build(network, 1);
        return (build(network, steps) - one) / (steps - 1);
      },
    ]),
  ),
};

try {
  mkdirSync(join(folder, 'context'));
  copyFileSync(busybox, join(folder, 'context/busybox'));
  const names = Object.keys(contestants);
  const times = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length];
      times.get(name).push(contestants[name]());
    }
  }
  console.log(`ms: least, median, most of ${rounds}`);
  for (const [name, list] of times) {
    const sorted = list.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.floor((sorted.length - 1) * share)].toFixed(2).padStart(8);
    console.log(`  ${name.padEnd(36)}${at(0)}${at(0.5)}${at(1)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
