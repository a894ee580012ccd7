/** The tar that scripts/base-debian.sh makes. It takes minutes, so it is kept between runs. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/base-debian.sh', import.meta.url));
/** Under a lock, so that a test file that comes later waits for the one that makes it. */
const ONCE = `[ -e "$1" ] || { "$0" > "$1.partial" && mv "$1.partial" "$1"; } || { rm -f "$1.partial"; exit 1; }`;

/** Path of the tar, in the directory for temporary files under a name that changes with the script; made when missing. */
export async function debianTar(): Promise<string> {
  const key = createHash('sha256').update(await readFile(SCRIPT));
  const path = join(tmpdir(), `tsbuild-base-debian-${process.getuid?.()}-${key.digest('hex').slice(0, 16)}.tar`);
  const child = spawn('flock', [`${path}.lock`, 'sh', '-c', ONCE, SCRIPT, path], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const messages: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => messages.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`scripts/base-debian.sh ended with ${code}: ${Buffer.concat(messages).toString()}`);
  return path;
}
