/** The projects in fixtures/projects: what their expected.json says, and how to talk to one that serves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Lab, Outcome } from './e2e.ts';
import { BIN } from './e2e.ts';

const PROJECTS = fileURLToPath(new URL('../../fixtures/projects', import.meta.url));
const ANSWER_WITHIN_MS = 60_000;

/** One `tsbuild run` of the image; `stdout` and `stderr` are regular expressions, `code` is 0 when missing. */
export interface ProjectRun {
  readonly options?: readonly string[];
  readonly command?: readonly string[];
  readonly input?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  /** The container serves on $PORT: `path` is asked for, and SIGTERM ends it. */
  readonly http?: { readonly path: string; readonly expect: string };
}

/** `path` leads into what `inspect` prints; `progress` and `history` are regular expressions that are found there, or not. */
export type ProjectCheck =
  | { readonly path: readonly string[]; readonly is: unknown }
  | { readonly path: readonly string[]; readonly includes: string }
  | { readonly sh: string; readonly stdout: string }
  | { readonly history: string; readonly is: boolean }
  | { readonly progress: string; readonly is: boolean };

export interface Project {
  readonly name: string;
  readonly dir: string;
  readonly description: string;
  /** Bases (`busybox`, `node`, `debian`) and projects whose images are its bases. */
  readonly needs: readonly string[];
  readonly build?: { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> };
  readonly run: readonly ProjectRun[];
  readonly checks: readonly ProjectCheck[];
}

const FIELDS = ['description', 'needs', 'build', 'run', 'checks'];
const RUN_FIELDS = ['options', 'command', 'input', 'stdout', 'stderr', 'code', 'http'];

/** All projects by name. A field that means nothing is a mistake in the project, and thrown. */
export function readProjects(): Map<string, Project> {
  const projects = new Map<string, Project>();
  for (const name of readdirSync(PROJECTS).sort()) {
    const dir = join(PROJECTS, name);
    const expected = JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8')) as Omit<Project, 'name' | 'dir'>;
    const unknown = Object.keys(expected).filter((key) => !FIELDS.includes(key));
    unknown.push(...expected.run.flatMap((run) => Object.keys(run).filter((key) => !RUN_FIELDS.includes(key))));
    if (unknown.length > 0) throw new Error(`${name}/expected.json has unknown fields: ${unknown.join(', ')}`);
    projects.set(name, { ...expected, name, dir });
  }
  return projects;
}

/** Runs a container that serves on $PORT, asks it for `path` until it answers, and ends it with SIGTERM. */
export async function serveOnce(
  lab: Lab,
  args: (port: number) => readonly string[],
  path: string,
): Promise<Outcome & { readonly body: string }> {
  const port = await freePort();
  const child = spawn(BIN, args(port), {
    env: { ...process.env, TSBUILD_ROOT: lab.store },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const closed = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  let body: string;
  try {
    body = await answer(`http://127.0.0.1:${port}${path}`, () => child.exitCode === null && child.signalCode === null);
  } finally {
    child.kill('SIGTERM');
  }
  const ended = await closed;
  return { ...ended, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), body };
}

/** The first answer; empty when nothing answers while `runs` holds, for a minute at most. */
async function answer(url: string, runs: () => boolean): Promise<string> {
  const deadline = Date.now() + ANSWER_WITHIN_MS;
  while (runs() && Date.now() < deadline) {
    try {
      const response = await fetch(url, { headers: { connection: 'close' }, redirect: 'manual' });
      return await response.text();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      await delay(100);
    }
  }
  return '';
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
