/**
 * A Docker of the test's own to compare with: Debian's docker.io, started in a network namespace of its own, with its data, socket and
 * state in a temporary directory. Nothing of it is left when it is disposed of.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DAEMON = '/usr/sbin/dockerd';
const CLIENT = '/usr/bin/docker';
const START_MS = 60_000;

export class Docker implements AsyncDisposable {
  private readonly dir: string;
  private readonly daemon: ChildProcess;

  private constructor(dir: string, daemon: ChildProcess) {
    this.dir = dir;
    this.daemon = daemon;
  }

  /** Or why there is none. */
  static async start(): Promise<Docker | string> {
    if (spawnSync(DAEMON, ['--version']).status !== 0) return `${DAEMON} is not installed`;
    const dir = mkdtempSync(join(tmpdir(), 'tsbuild-docker-'));
    // Containerd is started by dockerd, with the same owner and end.
    const options = [
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'pid')}`,
      `--host=unix://${join(dir, 'socket')}`,
      `--config-file=${join(dir, 'config.json')}`,
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--storage-driver=overlay2',
    ];
    writeFileSync(join(dir, 'config.json'), '{"features": {"buildkit": true}}');
    // In a pid namespace of its own, all that it starts ends with it.
    const daemon = spawn(
      'unshare',
      ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', DAEMON, ...options],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let log = '';
    daemon.stderr?.setEncoding('utf8').on('data', (text: string) => (log = `${log}${text}`.slice(-4000)));
    const docker = new Docker(dir, daemon);
    const deadline = Date.now() + START_MS;
    while (docker.call(['version']).status !== 0) {
      if (daemon.exitCode !== null || Date.now() > deadline) {
        await docker[Symbol.asyncDispose]();
        return `dockerd does not start: ${log}`;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return docker;
  }

  /** What the command prints; throws with all of it unless the exit code is 0. */
  ok(args: readonly string[], input?: string | Uint8Array): string {
    const { status, stdout, stderr } = this.call(args, input);
    if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  private call(args: readonly string[], input?: string | Uint8Array) {
    return spawnSync(CLIENT, ['--host', `unix://${join(this.dir, 'socket')}`, ...args], {
      encoding: 'utf8',
      env: { ...process.env, DOCKER_CONFIG: join(this.dir, 'client'), DOCKER_BUILDKIT: '1' },
      ...(input !== undefined && { input }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.daemon.once('exit', resolve));
    if (this.daemon.exitCode === null && this.daemon.signalCode === null) {
      this.daemon.kill('SIGKILL');
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
