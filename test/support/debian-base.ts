/** The tar that scripts/base-debian.sh makes. It takes minutes, so it is kept between runs. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/base-debian.sh', import.meta.url));

/** Path of the tar, in the directory for temporary files under a name that changes with the script; made when missing. */
export async function debianTar(): Promise<string> {
  const key = createHash('sha256').update(await readFile(SCRIPT));
  const path = join(tmpdir(), `tsbuild-base-debian-${process.getuid?.()}-${key.digest('hex').slice(0, 16)}.tar`);
  if (existsSync(path)) return path;
  const partial = `${path}.${process.pid}`;
  try {
    await output(partial);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  return path;
}

async function output(path: string): Promise<void> {
  const child = spawn(SCRIPT, { stdio: ['ignore', 'pipe', 'pipe'] });
  const messages: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => messages.push(chunk));
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  const [code] = await Promise.all([closed, pipeline(child.stdout, createWriteStream(path))]);
  if (code !== 0) throw new Error(`scripts/base-debian.sh ended with ${code}: ${Buffer.concat(messages).toString()}`);
}
