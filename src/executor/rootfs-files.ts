/** The files of the host that every RUN sees in place of its image's own: /etc/hosts and /etc/resolv.conf. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../core/errors.ts';

export interface HostName {
  readonly name: string;
  readonly address: string;
}

/** `host`: the step has the host's network, and with it a resolver on the loopback works. */
export type ResolverReach = 'host' | 'other';

const HOST_CONF = '/etc/resolv.conf';
/** What systemd-resolved itself asks; the host's file may name nothing but its stub. */
const UPLINK_CONF = '/run/systemd/resolve/resolv.conf';
const STUB_ADDRESS = '127.0.0.53';
const PUBLIC_SERVERS = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844'];

/** Writes each version once; the directory goes with `dispose`. */
export class RootfsFiles implements AsyncDisposable {
  private dir: Promise<string> | undefined;
  private readonly written = new Map<string, Promise<string>>();

  /** Host path of a hosts file for `hostname`. */
  hosts(hostname: string, extra: readonly HostName[]): Promise<string> {
    return this.file('hosts', hostsText(hostname, extra));
  }

  /** Host path of a resolv.conf. */
  async resolvConf(reach: ResolverReach): Promise<string> {
    return this.file('resolv.conf', await currentResolvConf(reach));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.dir !== undefined) await rm(await this.dir, { recursive: true, force: true });
  }

  private file(name: string, text: string): Promise<string> {
    const key = `${name}\0${text}`;
    const known = this.written.get(key);
    if (known !== undefined) return known;
    const number = this.written.size;
    const written = this.directory().then(async (dir) => {
      const path = join(dir, `${name}.${number}`);
      await writeFile(path, text, { mode: 0o644 });
      return path;
    });
    this.written.set(key, written);
    return written;
  }

  private directory(): Promise<string> {
    this.dir ??= mkdtemp(join(tmpdir(), 'tsbuild-etc-'));
    return this.dir;
  }
}

export function hostsText(hostname: string, extra: readonly HostName[]): string {
  return [
    `127.0.0.1\tlocalhost ${hostname}`,
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...extra.map(({ name, address }) => `${address}\t${name}`),
    '',
  ].join('\n');
}

/** The host's settings without servers that only the host can reach; public ones if none is left. */
export function portableResolvConf(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const kept = lines.filter((line) => !isLoopback(nameserverOf(line)));
  const hasServer = kept.some((line) => nameserverOf(line) !== undefined);
  return [...kept, ...(hasServer ? [] : PUBLIC_SERVERS.map((server) => `nameserver ${server}`)), ''].join('\n');
}

async function currentResolvConf(reach: ResolverReach): Promise<string> {
  const text = (await readIfPresent(HOST_CONF)) ?? '';
  if (reach === 'host') return text;
  const servers = text.split('\n').flatMap((line) => nameserverOf(line) ?? []);
  const isStub = servers.length === 1 && servers[0] === STUB_ADDRESS;
  return portableResolvConf(isStub ? ((await readIfPresent(UPLINK_CONF)) ?? text) : text);
}

function nameserverOf(line: string): string | undefined {
  return /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address.startsWith('127.') || /^(::1|0:0:0:0:0:0:0:1)(%|$)/.test(address));
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
