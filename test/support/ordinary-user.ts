/** Runs of tsbuild as a user other than root: with further ids of its own, or with none but its own. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readdirSync, statSync } from 'node:fs';
import { until } from './net-lab.ts';
import type { CallOptions, Outcome } from './e2e.ts';
import { BIN } from './e2e.ts';

export type Ids = 'a range' | 'one';

export interface UserCallOptions extends CallOptions {
  /** What a shell does before, as root in the command's mount namespace; `$1` is the user's home. */
  readonly prepare?: string;
  /** Name of the network namespace to be in. */
  readonly network?: string;
}

/**
 * Files of /etc in which the user exists, over the machine's in a mount namespace of the command's own. `exec` all the way: the
 * process that a test signals is tsbuild.
 */
const AS_USER = `
cd "$1" && for name in passwd group subuid subgid; do mount --bind "$1/etc/$name" "/etc/$name" || exit 99; done
eval "$3"
uid=$2; shift 3
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all "$@"`;

export class OrdinaryUser implements AsyncDisposable {
  readonly uid: number;
  readonly home: string;

  private constructor(uid: number, home: string) {
    this.uid = uid;
    this.home = home;
  }

  static async open(ids: Ids): Promise<OrdinaryUser> {
    const offset = process.pid % 9000;
    const user = new OrdinaryUser(41_000 + offset, await mkdtemp(join(tmpdir(), 'tsbuild-user-')));
    const etc = join(user.home, 'etc');
    const range = ids === 'one' ? '' : `builder:${100_000_000 + offset * 65_536}:65536\n`;
    await mkdir(etc);
    await writeFile(
      join(etc, 'passwd'),
      `${await readFile('/etc/passwd', 'utf8')}builder:x:${user.uid}:${user.uid}::/:\n`,
    );
    await writeFile(join(etc, 'group'), `${await readFile('/etc/group', 'utf8')}builder:x:${user.uid}:\n`);
    await writeFile(join(etc, 'subuid'), range);
    await writeFile(join(etc, 'subgid'), range);
    await chown(user.home, user.uid, user.uid);
    return user;
  }

  /** Starts a program as the user. */
  start(argv: readonly string[], options: UserCallOptions = {}): ChildProcess {
    const words = [this.home, String(this.uid), options.prepare ?? '', ...argv];
    const network = options.network === undefined ? [] : [`--net=/run/netns/${options.network}`];
    const unshare = ['unshare', '-m', '--propagation', 'private'];
    return spawn('nsenter', [...network, ...unshare, 'sh', '-c', AS_USER, 'sh', ...words], {
      env: { PATH: process.env['PATH'], HOME: this.home, ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
  }

  run(argv: readonly string[], options: UserCallOptions = {}): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const child = this.start(argv, options);
      const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
      child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
      );
      child.stdin?.on('error', () => {});
      void Promise.resolve(options.input).then((input) => child.stdin?.end(input));
    });
  }

  /** tsbuild as the user; fails the test unless it ends with 0. */
  async ok(args: readonly string[], options: UserCallOptions = {}): Promise<Outcome> {
    const outcome = await this.run([BIN, ...args], options);
    if (outcome.code !== 0) {
      throw new Error(
        `tsbuild ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}\n${outcome.stdout}\n${outcome.stderr}`,
      );
    }
    return outcome;
  }

  /** Ids of what runs as the user. */
  processes(): number[] {
    return readdirSync('/proc').flatMap((pid) => {
      try {
        return /^\d+$/.test(pid) && statSync(`/proc/${pid}`).uid === this.uid ? [Number(pid)] : [];
      } catch {
        return [];
      }
    });
  }

  /** Resolves when nothing runs as the user any more. */
  async isGone(): Promise<void> {
    await until(() => this.processes().length === 0, `the end of all that user ${this.uid} runs`, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.home, { recursive: true, force: true });
  }
}

/** Why there can be no such runs here; undefined where they can. */
export function whyNoOrdinaryUser(): string | undefined {
  if (process.getuid?.() !== 0) return 'becoming another user needs root';
  const namespaces = spawnSync('setpriv', ['--reuid', '65534', '--clear-groups', 'unshare', '-U', 'true']);
  if (namespaces.status !== 0) return 'users can make no user namespaces here';
  if (spawnSync('newuidmap').error !== undefined) return 'newuidmap is not installed';
  const reach = spawnSync('setpriv', ['--reuid', '65534', '--clear-groups', 'test', '-x', BIN]);
  return reach.status === 0 ? undefined : `another user cannot reach ${BIN}`;
}
