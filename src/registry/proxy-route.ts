/** How a request gets to a proxy: as it is for HTTP, through a tunnel for HTTPS. */
import { setMaxListeners } from 'node:events';
import * as http from 'node:http';
import type { RequestOptions } from 'node:http';
import * as https from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';

/** Connections to proxies, kept as long as those to servers. */
export interface ProxyRoutes {
  /** What `request` of the module for `scheme` is to be called with. */
  route(proxy: URL, target: URL, headers: Readonly<Record<string, string>>): Route;
  close(): void;
}

export interface Route {
  readonly scheme: 'http:' | 'https:';
  readonly options: RequestOptions;
}

export function openProxyRoutes(): ProxyRoutes {
  const agents = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };
  const tunnels = new Map<string, HttpsProxyAgent<string>>();
  // Also ends connections to proxies that have not answered yet, which no agent counts among its own.
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);

  function tunnelOf(proxy: URL): HttpsProxyAgent<string> {
    const authorization = authorizationOf(proxy);
    const tunnel =
      tunnels.get(proxy.href) ??
      new HttpsProxyAgent(originOf(proxy), {
        keepAlive: true,
        headers: authorization,
        signal: closing.signal,
      });
    tunnels.set(proxy.href, tunnel);
    return tunnel;
  }

  return {
    route(proxy, target, headers) {
      if (target.protocol === 'https:') {
        const { hostname, port, pathname, search } = target;
        return {
          scheme: 'https:',
          options: {
            hostname: unbracketed(hostname),
            port,
            path: `${pathname}${search}`,
            headers,
            agent: tunnelOf(proxy),
          },
        };
      }
      const isTls = proxy.protocol === 'https:';
      return {
        scheme: isTls ? 'https:' : 'http:',
        options: {
          hostname: unbracketed(proxy.hostname),
          port: proxy.port,
          path: `${target.origin}${target.pathname}${target.search}`,
          headers: { ...headers, host: target.host, ...authorizationOf(proxy) },
          agent: isTls ? agents.https : agents.http,
        },
      };
    },
    close() {
      closing.abort();
      agents.http.destroy();
      agents.https.destroy();
      for (const tunnel of tunnels.values()) tunnel.destroy();
    },
  };
}

function originOf(proxy: URL): string {
  return `${proxy.protocol}//${proxy.host}`;
}

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` };
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
