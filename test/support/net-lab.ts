/**
 * A machine and an internet of network namespaces: `host`, where tsbuild runs, has one interface whose other end is in `outside`, with
 * a server of files and one of names. Nothing of the real network is used or touched. Needs root, iproute2 and nftables.
 */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'];
const NAME_SERVER = fileURLToPath(new URL('name-server.mjs', import.meta.url));

export const HOST_ADDRESS = '198.18.0.1';
export const OUTSIDE_ADDRESS = '198.18.0.2';
/** A name that only the server of names outside knows. */
export const OUTSIDE_NAME = 'outside.test';
/** Less than Ethernet's, so that a container's shows where it is from. */
export const UPLINK_MTU = 1400;

let sequence = 0;

export class NetLab implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'tsbuild-net-'));
  readonly host: string;
  readonly outside: string;
  readonly #servers: ChildProcess[] = [];
  readonly #namespaces: string[] = [];

  private constructor() {
    const id = `tsbuild-test-${process.pid}-${++sequence}`;
    this.host = `${id}-host`;
    this.outside = `${id}-outside`;
  }

  static async open(): Promise<NetLab> {
    const lab = new NetLab();
    try {
      for (const name of [lab.host, lab.outside]) lab.addNamespace(name);
      lab.link(lab.host, 'up0', `${HOST_ADDRESS}/24`, lab.outside, 'up1', `${OUTSIDE_ADDRESS}/24`);
      lab.in(lab.host, 'ip', 'link', 'set', 'up0', 'mtu', String(UPLINK_MTU));
      lab.in(lab.host, 'ip', 'route', 'add', 'default', 'via', OUTSIDE_ADDRESS);
      mkdirSync(join(lab.dir, 'www/cgi-bin'), { recursive: true });
      writeFileSync(join(lab.dir, 'www/cgi-bin/me'), '#!/bin/sh\nprintf "\\r\\n%s" "$REMOTE_ADDR"\n');
      chmodSync(join(lab.dir, 'www/cgi-bin/me'), 0o755);
      await lab.serve(lab.outside, OUTSIDE_ADDRESS, 80);
      lab.#start(lab.outside, process.execPath, NAME_SERVER, OUTSIDE_ADDRESS, OUTSIDE_NAME, OUTSIDE_ADDRESS);
      await until(() => lab.in(lab.outside, 'ss', '-Hlun', 'sport = :53').includes(':53'), 'the server of names');
      return lab;
    } catch (error) {
      lab[Symbol.dispose]();
      throw error;
    }
  }

  /** What a program prints that runs in a namespace. */
  in(namespace: string, program: string, ...args: readonly string[]): string {
    return execFileSync('nsenter', [`--net=/run/netns/${namespace}`, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  addNamespace(name: string): void {
    execFileSync('ip', ['netns', 'add', name]);
    this.#namespaces.push(name);
    // Its addresses would come and go by themselves.
    this.in(name, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6');
    this.in(name, 'ip', 'link', 'set', 'lo', 'up');
  }

  /** Connects two namespaces. */
  link(one: string, name: string, address: string, two: string, otherName: string, otherAddress: string): void {
    this.in(one, 'ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', otherName, 'netns', two);
    for (const [namespace, device, own] of [
      [one, name, address],
      [two, otherName, otherAddress],
    ] as const) {
      this.in(namespace, 'ip', 'addr', 'add', own, 'dev', device);
      this.in(namespace, 'ip', 'link', 'set', device, 'up');
    }
  }

  /** Serves /cgi-bin/me, which tells who asks, until the lab is closed; resolves when it can be asked. */
  async serve(namespace: string, address: string, port: number): Promise<void> {
    const busybox = BUSYBOX.find((path) => existsSync(path));
    if (busybox === undefined) throw new Error('these tests need a static busybox: scripts/setup.sh test');
    this.#start(namespace, busybox, 'httpd', '-f', '-p', `${address}:${port}`, '-h', join(this.dir, 'www'));
    await until(() => this.in(namespace, 'ss', '-Hltn', `sport = :${port}`).includes(`:${port}`), 'the server');
  }

  /** A program in `dir` that runs another one in the host's network, keeping its descriptors. */
  inHost(program: string, name: string): string {
    const path = join(this.dir, name);
    writeFileSync(path, `#!/bin/sh\nexec nsenter --net=/run/netns/${this.host} ${program} "$@"\n`, { mode: 0o755 });
    return path;
  }

  /** Everything about the host's network that tsbuild could change. */
  snapshot(): string {
    const settings = this.in(this.host, 'sh', '-c', 'grep -s . /proc/sys/net/ipv4/conf/*/forwarding || true');
    return [
      this.in(this.host, 'ip', '-o', 'link').replace(/ qlen \d+/g, ''),
      this.in(this.host, 'ip', '-o', 'address').replace(/ (valid|preferred)_lft \w+/g, ''),
      this.in(this.host, 'ip', 'route', 'show', 'table', 'all'),
      this.in(this.host, 'nft', 'list', 'ruleset'),
      settings,
    ].join('\n');
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.kill('SIGKILL');
    for (const name of this.#namespaces) execFileSync('ip', ['netns', 'delete', name]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #start(namespace: string, program: string, ...args: readonly string[]): void {
    this.#servers.push(spawn('nsenter', [`--net=/run/netns/${namespace}`, program, ...args], { stdio: 'ignore' }));
  }
}

/** Waits for what happens by itself, such as the end of a process; throws when it does not in time. */
export async function until(holds: () => boolean, what = 'it', deadlineMs = 20_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`${what} did not happen in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
