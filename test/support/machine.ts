/**
 * A machine of its own for tests: the kernel of Debian's package user-mode-linux as a process. It sees the files of this machine and can
 * write none of them, has no network, and is gone with its process.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const KERNEL = '/usr/bin/linux.uml';
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
/** A boot takes some ten seconds; programs run several times slower than outside. */
const TIMEOUT_MS = 480_000;
const BOOTED = '@@booted';
const ENDED = /^@@ended (\d+)$/m;

/** How the control groups of the machine are mounted. */
export type Groups = 'v1' | 'v2' | 'hybrid';

export type MachineOutcome =
  | { readonly kind: 'ended'; readonly code: number; readonly output: string }
  /** The kernel has not come to its first process. */
  | { readonly kind: 'not-booted'; readonly output: string };

/** Why there can be no machine here; undefined where there can. */
export function whyNoMachine(): string | undefined {
  if (process.getuid?.() !== 0) return 'confining the kernel to reading needs root';
  if (!existsSync(KERNEL)) return `${KERNEL} is missing: apt-get install user-mode-linux`;
  const { status } = spawnSync('unshare', ['-m', '-p', '-f', '--mount-proc', 'true']);
  return status === 0 ? undefined : 'a mount namespace cannot be made here';
}

/**
 * The kernel's parent, in namespaces of its own: it makes every mount read-only but a tmpfs for the kernel's memory and disk,
 * and ends if one could not be. Whatever the kernel's root does, the machine outside stays as it is.
 */
const CONFINED = `
set -eu
mount -t tmpfs -o mode=700 memory /dev/shm
truncate -s 1G /dev/shm/disk
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 /dev/shm/disk
awk '$5 != "/dev/shm" { print $5 }' /proc/self/mountinfo | while read -r point; do
  mount -o remount,bind,ro "$(printf %b "$point")" 2>/dev/null || true
done
awk '$5 != "/dev/shm" && $6 !~ /^ro/ && $0 !~ / - (proc|sysfs|devpts|devtmpfs|cgroup2?|mqueue) / { print $5 }' /proc/self/mountinfo |
while read -r point; do [ ! -w "$point" ] || { echo "still writable: $point"; exit 9; }; done
exec ${KERNEL} "$@"
`;

const INIT = `#!/bin/sh
echo ${BOOTED}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
bb=$(command -v busybox)
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t ext4 /dev/ubda /mnt && chmod 1777 /mnt
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
$bb insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko
$bb ip link set lo up
v1() {
  mount -t tmpfs -o mode=755 groups /sys/fs/cgroup
  for name in memory cpu,cpuacct pids devices freezer blkio; do
    mkdir "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
  done
}
case "$groups" in
v2) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
v1) v1 ;;
hybrid) v1; mkdir /sys/fs/cgroup/unified; mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified ;;
esac
cd /mnt
TMPDIR=/mnt TSBUILD_IN_MACHINE=$groups "$node" --enable-source-maps "$script" </dev/null
echo "@@ended $?"
echo o > /proc/sysrq-trigger
exec sleep 100
`;

/**
 * Boots the machine and runs the TypeScript file `entry` there with what it imports; \`TSBUILD_IN_MACHINE\` tells it the groups, and
 * \`TMPDIR\` is the only directory besides /run and /dev/shm that it can write to.
 */
export async function runInMachine(entry: string, groups: Groups): Promise<MachineOutcome> {
  // Not below /run, /mnt and /dev, which are others inside.
  const directory = await mkdtemp('/var/tmp/tsbuild-machine-');
  try {
    const script = join(directory, 'entry.mjs');
    const init = join(directory, 'init');
    await bundle(entry, script);
    await writeFile(init, INIT, { mode: 0o755 });
    const variables = [`groups=${groups}`, `script=${script}`, `node=${process.execPath}`];
    const output = await boot(['mem=1200M', `init=${init}`, ...variables]);
    const [, code] = ENDED.exec(output) ?? [];
    if (code !== undefined) return { kind: 'ended', code: Number(code), output };
    if (!output.includes(BOOTED)) return { kind: 'not-booted', output };
    throw new Error(`the machine has not come to the end of the test\n${output}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** As one file, which inside takes less time to load; paths are those of a file in the folder of this one. */
async function bundle(entry: string, outfile: string): Promise<void> {
  const here = pathToFileURL(join(PACKAGE, 'test/support/bundle.ts')).href;
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: 'inline',
    define: { 'import.meta.url': JSON.stringify(here) },
    banner: {
      js: `import { createRequire } from 'node:module'; const require = createRequire(${JSON.stringify(here)});`,
    },
    absWorkingDir: dirname(entry),
    logLevel: 'error',
  });
}

/** What the machine has printed when it is off; the kernel gives what it does not know on its command line to the first process as variables. */
function boot(parameters: readonly string[]): Promise<string> {
  const fixed = [
    'ubd0=/dev/shm/disk',
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    'quiet',
    'con=null',
    'con0=null,fd:1',
  ];
  const words = ['-m', '-p', '-f', '--mount-proc', '--kill-child', '--propagation', 'private'];
  const child = spawn(
    'unshare',
    [...words, 'sh', '-c', CONFINED, 'sh', ...fixed, 'uml_dir=/dev/shm', 'umid=test', ...parameters],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], TMPDIR: '/dev/shm' } },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString().replaceAll('\r', ''));
    });
  });
}
