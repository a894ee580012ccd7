// Unpacking and packing a layer, against bsdtar and GNU tar, by turns in one run; and how much memory a large layer takes.
//
//   node bench/layers.mjs ROOTFS.tar [--rounds N] [--dir DIR] [--huge GIB]
//
// ROOTFS.tar: an uncompressed archive, such as that of scripts/base-debian.sh. DIR is on the file system to be measured. Needs root,
// bsdtar (Debian: libarchive-tools), tar and sha256sum. Whole processes are timed, ours with the start of Node in it.
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, dir: { type: 'string' }, huge: { type: 'string' } },
});
const [archive] = positionals;
if (archive === undefined) {
  console.error('usage: node bench/layers.mjs ROOTFS.tar [--rounds N] [--dir DIR] [--huge GIB]');
  process.exit(2);
}
const rounds = Number(values.rounds ?? 7);
const root = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const folder = mkdtempSync(join(values.dir ?? tmpdir(), 'bench-layers-'));

/** A program of its own for each of our two operations, so that whole processes are compared. */
const WORKER = `
import { createReadStream, readFileSync } from 'node:fs';
import { applyLayer } from '${root('src/layer/apply.ts')}';
import { digestLayer } from '${root('src/layer/write.ts')}';
import { createNativeFiles } from '${root('src/runtime-native/files.ts')}';
const files = createNativeFiles({ binaryPath: '${root('src/runtime-native/c/build/tsbuild-runtime')}' });
const [what, from, to] = process.argv.slice(2);
if (what === 'unpack') await applyLayer(files, { file: from }, to);
else if (what === 'stream') await applyLayer(files, createReadStream(from, { highWaterMark: 1 << 16 }), to);
else await digestLayer(files, from);
console.log(Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024);
`;

function time(command, args) {
  const start = performance.now();
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
  });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  return { ms: performance.now() - start, stdout: result.stdout };
}

const shell = (script, ...args) => time('sh', ['-c', script, 'sh', ...args]);

/** Each round has every contestant once, in an order that moves on. */
function compare(title, contestants) {
  const names = Object.keys(contestants);
  const times = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length];
      const place = join(folder, `${name}-${round}`);
      mkdirSync(place);
      times.get(name).push(contestants[name](place).ms);
      rmSync(place, { recursive: true });
    }
  }
  console.log(`\n${title}, ms: least, median, most of ${rounds}`);
  for (const [name, list] of times) {
    const sorted = list.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.floor((sorted.length - 1) * share)].toFixed(0).padStart(6);
    console.log(`  ${name.padEnd(22)}${at(0)}${at(0.5)}${at(1)}`);
  }
}

try {
  const entry = join(folder, 'worker.ts');
  const worker = join(folder, 'worker.mjs');
  writeFileSync(entry, WORKER);
  await build({
    entryPoints: [entry],
    outfile: worker,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  const ours = (...args) => time(process.execPath, [worker, ...args]);

  compare('Unpack', {
    tsbuild: (place) => ours('unpack', archive, place),
    'tsbuild, streamed': (place) => ours('stream', archive, place),
    bsdtar: (place) => time('bsdtar', ['-C', place, '-xpf', archive]),
    tar: (place) => time('tar', ['-C', place, '--xattrs', '-xpf', archive]),
  });

  const layer = join(folder, 'layer');
  mkdirSync(layer);
  ours('unpack', archive, layer);
  compare('Pack, with SHA-256', {
    tsbuild: () => ours('pack', layer),
    'tar | sha256sum': () => shell('tar -C "$1" --sort=name --xattrs -cf - . | sha256sum', layer),
    'bsdtar | sha256sum': () => shell('bsdtar -C "$1" -cf - . | sha256sum', layer),
  });

  if (values.huge !== undefined) {
    const bytes = Number(values.huge) * 2 ** 30;
    const huge = join(folder, 'huge');
    mkdirSync(huge);
    const fd = openSync(join(huge, 'file'), 'w');
    writeSync(fd, 'data');
    ftruncateSync(fd, bytes);
    closeSync(fd);
    const packed = ours('pack', huge);
    // An archive of the same file, as GNU tar writes it without --sparse, by a stream.
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    const script = 'mkfifo "$1/fifo" && { tar -C "$2" -cf "$1/fifo" file & } && shift 2 && "$@"';
    const streamed = shell(script, folder, huge, process.execPath, worker, 'stream', join(folder, 'fifo'), unpacked);
    console.log(
      `\nUnpack of ${values.huge} GiB: ${streamed.ms.toFixed(0)} ms, at most ${streamed.stdout.trim()} MiB resident`,
    );
    console.log(`Pack of ${values.huge} GiB: ${packed.ms.toFixed(0)} ms, at most ${packed.stdout.trim()} MiB resident`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
