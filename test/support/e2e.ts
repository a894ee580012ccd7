/** Real runs of bin/tsbuild on a store of their own, with a real base image. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BIN = join(ROOT, 'bin/tsbuild');

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  /** Written to the command's stdin, which then ends; a promise is awaited first. */
  readonly input?: string | Uint8Array | Promise<string | Uint8Array>;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Files by their path; a string is a file's text, with a mode if it is not 0644. */
export type Files = Readonly<
  Record<string, string | Uint8Array | { readonly text: string | Uint8Array; readonly mode: number }>
>;

/** A directory with a store and whatever contexts a test writes; disposing removes all of it. */
export class Lab implements AsyncDisposable {
  readonly dir: string;
  readonly store: string;

  /** The program, or one that starts it. */
  private readonly bin: string;

  private constructor(dir: string, bin: string) {
    this.bin = bin;
    this.dir = dir;
    this.store = join(dir, 'store');
  }

  /** With `busybox:latest` in the store unless `empty`. */
  static async open(options: { readonly empty?: boolean; readonly bin?: string } = {}): Promise<Lab> {
    const lab = new Lab(await mkdtemp(join(tmpdir(), 'tsbuild-e2e-')), options.bin ?? BIN);
    if (options.empty !== true) {
      const imported = await lab.run(['import', '-c', 'CMD ["sh"]', '-', 'busybox:latest'], { input: busyboxTar() });
      if (imported.code !== 0) throw new Error(`cannot import the base: ${imported.stderr}`);
    }
    return lab;
  }

  /** Writes a build context; returns its path. */
  async context(name: string, files: Files): Promise<string> {
    const dir = join(this.dir, name);
    for (const [path, content] of Object.entries(files)) {
      const file = join(dir, path);
      await mkdir(dirname(file), { recursive: true });
      const isPlain = typeof content === 'string' || content instanceof Uint8Array;
      await writeFile(file, isPlain ? content : content.text, { mode: isPlain ? 0o644 : content.mode });
    }
    return dir;
  }

  run(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.bin, args, {
        cwd: options.cwd ?? this.dir,
        env: { ...process.env, ...options.env, TSBUILD_ROOT: this.store },
        stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      });
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
      );
      // A command that fails early does not read its input to the end.
      child.stdin?.on('error', () => {});
      void Promise.resolve(options.input).then((input) => child.stdin?.end(input));
    });
  }

  /** Like `run`, and fails the test with the whole output unless the exit code is 0. */
  async ok(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
    const outcome = await this.run(args, options);
    if (outcome.code !== 0) {
      throw new Error(
        `tsbuild ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}\n${outcome.stdout}\n${outcome.stderr}`,
      );
    }
    return outcome;
  }

  /** Builds a Dockerfile with some files and tags it `name`. */
  async build(name: string, dockerfile: string, files: Files = {}, args: readonly string[] = []): Promise<Outcome> {
    return this.ok(['build', '-t', name, ...args, await this.context(name, { ...files, Dockerfile: dockerfile })]);
  }

  /** What a command prints in a container of `image`. */
  async sh(image: string, script: string): Promise<string> {
    return (await this.ok(['run', '--rm', '--network', 'none', '--entrypoint', '', image, 'sh', '-c', script])).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

let busybox: Buffer | undefined;

/** A root filesystem of Debian's busybox, as a tar. */
export function busyboxTar(): Buffer {
  if (busybox) return busybox;
  const made = spawnSync(join(ROOT, 'scripts/base-busybox.sh'), { maxBuffer: 64 << 20 });
  if (made.status !== 0) throw new Error(`scripts/base-busybox.sh failed: ${made.stderr.toString()}`);
  busybox = made.stdout;
  return busybox;
}

/** The lines of plain progress that tell of one step, such as `RUN make`. */
export function stepLines(outcome: Outcome, step: string): string[] {
  const lines = outcome.stderr.split('\n');
  const numbers = lines.filter((line) => line.includes(step)).map((line) => /^(#\d+) /.exec(line)?.[1]);
  return lines.filter((line) => numbers.some((number) => number !== undefined && line.startsWith(`${number} `)));
}

export function wasCached(outcome: Outcome, step: string): boolean {
  const lines = stepLines(outcome, step);
  if (lines.length === 0) throw new Error(`no step "${step}" in:\n${outcome.stderr}`);
  return lines.some((line) => line.endsWith(' CACHED'));
}
