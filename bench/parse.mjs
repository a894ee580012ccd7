// How long a first parse takes: a Dockerfile of 5,000 lines, in a process that has parsed nothing before. Usage: node bench/parse.mjs [lines]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';

import '../bin/patience.js'; // as the command line does

const lines = Number(process.argv[2] ?? 5000);

/** One of each kind that real files have; `#` becomes the number of the round. */
const ROUND = [
  '# stage #',
  'FROM --platform=$BUILDPLATFORM node:20-alpine AS stage#',
  'ARG VERSION=1.#.0 TARGETARCH',
  'ENV NODE_ENV=production PATH="/app/bin:$PATH" NOTE="it is # o\'clock"',
  'LABEL org.opencontainers.image.title="bench #" org.opencontainers.image.version=$VERSION',
  'WORKDIR /app/stage#',
  'COPY --chown=node:node --link package.json package-lock.json ./',
  'RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev && npm cache clean --force',
  'RUN apk add --no-cache \\',
  '      git \\',
  '      # what the build needs',
  '      make gcc musl-dev \\',
  '    && rm -rf /var/cache/apk/*',
  'COPY --from=stage# /app/dist /srv/stage#/',
  'RUN <<EOF',
  'set -e',
  'echo "round #"',
  'EOF',
  'EXPOSE 8080/tcp 9090/udp',
  'HEALTHCHECK --interval=30s --timeout=3s CMD ["wget", "-q", "localhost:8080/health"]',
  'USER node',
  'ENTRYPOINT ["node", "--enable-source-maps", "dist/main.js"]',
  'CMD ["--port", "8080"]',
  '',
];
const text = Array.from({ length: lines }, (_, i) =>
  ROUND[i % ROUND.length].replaceAll('#', (match, at, line) =>
    line.trimStart().startsWith('#') ? match : String(Math.floor(i / ROUND.length)),
  ),
).join('\n');

/** How fast this machine is at the moment; about 100 ms is usual. */
function spinMs() {
  const usage = process.cpuUsage();
  let x = 0;
  for (let i = 0; i < 1e8; i++) x = (Math.imul(x, 31) + i) | 0;
  return process.cpuUsage(usage).user / 1000 + (x === 1 ? 1e-9 : 0);
}

const folder = await mkdtemp(join(tmpdir(), 'bench-parse-'));
try {
  const outfile = join(folder, 'parse.mjs');
  const entry = fileURLToPath(new URL('../src/parser/parse.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' });
  const importStart = performance.now();
  const { parseDockerfile } = await import(pathToFileURL(outfile).href);
  const importMs = performance.now() - importStart;
  const times = [];
  const processorMs = [];
  for (let run = 0; run < 10; run++) {
    const start = performance.now();
    const usage = process.cpuUsage();
    parseDockerfile({ name: 'Dockerfile', text });
    times.push(performance.now() - start);
    processorMs.push(process.cpuUsage(usage).user / 1000);
  }
  const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)].toFixed(1);
  console.log(`${lines} lines, ${text.length} bytes: import ${importMs.toFixed(1)} ms`);
  console.log(`first parse ${times[0].toFixed(1)} ms (${processorMs[0].toFixed(1)} ms of processor time, all threads)`);
  console.log(
    `later ones  ${median(times.slice(1))} ms (${median(processorMs.slice(1))} ms), median of ${times.length - 1}`,
  );
  console.log(`for comparison, 100 million steps of a loop take ${spinMs().toFixed(1)} ms of processor time here`);
} finally {
  await rm(folder, { recursive: true });
}
