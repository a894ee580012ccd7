/** Which proxy a request takes, by the variables that most programs of Linux read, as Go and so Docker understand them. */
import { BlockList, isIP } from 'node:net';
import { BuildError } from './errors.ts';

/** The proxy for a URL; undefined for the direct way. Throws `invalid-argument` and `unsupported-feature` for a proxy that cannot be used. */
export type ProxyRule = (url: URL) => URL | undefined;

type Environment = Readonly<Record<string, string | undefined>>;

/** Of this machine itself; these never take a proxy. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

/**
 * `HTTP_PROXY`, `HTTPS_PROXY` and, for what has none of these, `ALL_PROXY`, except for the hosts of `NO_PROXY`, each also in lower case.
 * Undefined where no proxy is set.
 */
export function proxyRule(env: Environment): ProxyRule | undefined {
  const all = setting(env, 'ALL_PROXY');
  const proxies = new Map([
    ['http:', setting(env, 'HTTP_PROXY') ?? all],
    ['https:', setting(env, 'HTTPS_PROXY') ?? all],
  ]);
  if ([...proxies.values()].every((proxy) => proxy === undefined)) return undefined;
  const isDirect = directHosts(setting(env, 'NO_PROXY')?.value ?? '');
  return (url) => {
    const proxy = proxies.get(url.protocol);
    return proxy === undefined || isDirect(url) ? undefined : parseProxy(proxy);
  };
}

/** The same settings in the spelling that curl, and so git, heeds. */
export function curlProxyEnvironment(env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) {
    const proxy = setting(env, name);
    if (proxy !== undefined) found[name.toLowerCase()] = proxy.value;
  }
  if (Object.keys(found).length === 0) return found;
  return { ...found, no_proxy: [setting(env, 'NO_PROXY')?.value ?? [], LOOPBACK].flat().join(',') };
}

interface Setting {
  readonly name: string;
  readonly value: string;
}

function setting(env: Environment, upper: string): Setting | undefined {
  for (const name of [upper, upper.toLowerCase()]) {
    const value = env[name]?.trim();
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

/** The value may have a password, and is not shown. */
function parseProxy({ name, value }: Setting): URL {
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text))
    throw new BuildError('invalid-argument', `Cannot use the proxy of $${name}: it is not a URL`);
  const proxy = new URL(text);
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy;
  throw new BuildError(
    'unsupported-feature',
    `Cannot use the proxy of $${name}: "${proxy.protocol}//" is not supported`,
    { hint: 'name a proxy that speaks HTTP, as http://HOST:PORT or https://HOST:PORT' },
  );
}

interface DirectHost {
  readonly host: string;
  /** A domain without its own name: `.example.com`. */
  readonly onlyBelow: boolean;
  readonly port: string | undefined;
}

/** A list of names (with all below them), addresses and networks, each but a network perhaps with a port; `*` is everything. */
function directHosts(list: string): (url: URL) => boolean {
  const networks = new BlockList();
  const hosts: DirectHost[] = [];
  let everything = false;
  for (const item of list.split(',').map((text) => text.trim().toLowerCase())) {
    if (item === '*') everything = true;
    else if (/^[^/]+\/\d+$/.test(item)) addNetwork(networks, item);
    else if (item !== '') hosts.push(readHost(item));
  }
  return (url) => {
    const host = bare(url.hostname);
    const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
    const family = isIP(host);
    if (everything || host === 'localhost' || (family === 4 && host.startsWith('127.')) || host === '::1') return true;
    if (family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true;
    return hosts.some(
      (direct) =>
        (direct.port === undefined || direct.port === port) &&
        ((host === direct.host && !direct.onlyBelow) || (family === 0 && host.endsWith(`.${direct.host}`))),
    );
  };
}

/** What is no network matches nothing, as in Go. */
function addNetwork(networks: BlockList, item: string): void {
  const slash = item.lastIndexOf('/');
  const [address, bits] = [item.slice(0, slash), Number(item.slice(slash + 1))];
  const family = isIP(address);
  if (family === 0 || bits > (family === 4 ? 32 : 128)) return;
  networks.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
}

function readHost(item: string): DirectHost {
  const [, name = item, port] = isIP(item) === 0 ? (/^(.*?)(?::(\d+))?$/.exec(item) ?? []) : [];
  const host = bare(name).replace(/^\*(?=\.)/, '');
  return { host: host.replace(/^\./, ''), onlyBelow: host.startsWith('.'), port };
}

/** Without the brackets around an address of IPv6, and without the dot at the end of a full name. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}
