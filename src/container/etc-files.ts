/** The texts of a container's /etc/hosts, /etc/resolv.conf and /etc/hostname. */
import { isIP } from 'node:net';
import type { ContainerHost, ContainerRequest } from './types.ts';

const SYSTEMD_STUB = '127.0.0.53';
const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';
const FALLBACK_SERVERS = ['8.8.8.8', '8.8.4.4'];

const LOCAL_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export interface EtcFiles {
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
}

/** With the host's network, names resolve as they do on the host; else only what is the container's own. */
export async function etcFiles(
  hostname: string,
  { network, extraHosts }: Pick<ContainerRequest, 'network' | 'extraHosts'>,
  host: Pick<ContainerHost, 'readText'>,
): Promise<EtcFiles> {
  const resolvConf = (await host.readText('/etc/resolv.conf')) ?? '';
  if (network === 'host') {
    const hosts = (await host.readText('/etc/hosts')) ?? LOCAL_HOSTS;
    return {
      hosts: `${withLineEnd(hosts)}${linesOf(extraHosts)}127.0.1.1\t${hostname}\n`,
      resolvConf,
      hostname: `${hostname}\n`,
    };
  }
  const servers = nameServers(resolvConf);
  const onlyStub = servers.length > 0 && servers.every((server) => server === SYSTEMD_STUB);
  const source = onlyStub ? ((await host.readText(SYSTEMD_RESOLV_CONF)) ?? resolvConf) : resolvConf;
  return {
    // On the bridge the runtime adds the line with the container's address, which nobody knows before.
    hosts: LOCAL_HOSTS + linesOf(extraHosts) + (network === 'none' ? `127.0.0.1\t${hostname}\n` : ''),
    resolvConf: reachableResolvConf(source),
    hostname: `${hostname}\n`,
  };
}

function linesOf(names: ContainerRequest['extraHosts']): string {
  return names.map(({ name, address }) => `${address}\t${name}\n`).join('');
}

/** `text` without the name servers that only the host can reach; public ones when none is left. */
export function reachableResolvConf(text: string): string {
  const lines = text.split('\n').filter((line) => {
    const server = nameServerOf(line);
    return server === undefined || !isLoopback(server);
  });
  const kept = withLineEnd(lines.join('\n').trimEnd());
  if (nameServers(kept).length > 0) return kept;
  return kept + FALLBACK_SERVERS.map((server) => `nameserver ${server}\n`).join('');
}

function nameServers(text: string): string[] {
  return text.split('\n').flatMap((line) => nameServerOf(line) ?? []);
}

function nameServerOf(line: string): string | undefined {
  return /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
}

function isLoopback(address: string): boolean {
  const [bare = ''] = address.split('%');
  return isIP(bare) === 4 ? bare.startsWith('127.') : bare === '::1';
}

function withLineEnd(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
