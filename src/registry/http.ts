/**
 * One HTTP request at a time: connections that are kept, time limits, and system errors left as they are.
 *
 * `node:http` rather than `fetch`: it starts faster, and redirects, idle times and broken bodies are ours to judge.
 */
import * as http from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import { throwIfAborted } from '../core/errors.ts';
import type { ProxyRule } from '../core/proxy.ts';
import type { ProxyRoutes, Route } from './proxy-route.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What was asked, after redirects. */
  readonly url: URL;
  /** To be read to the end or destroyed. */
  readonly body: IncomingMessage;
}

export interface HttpOptions {
  /** How long a connection may take to be made. */
  readonly connectTimeoutMs?: number;
  /** How long the other side may be silent. */
  readonly idleTimeoutMs?: number;
  /** Certificates of authorities to trust instead of Node's. */
  readonly ca?: string;
  /** Default: all requests go the direct way. */
  readonly proxy?: ProxyRule | undefined;
}

export interface HttpClient {
  /** Rejects with the system's error, or `cancelled`. */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Closes the connections that are kept. */
  close(): void;
}

const MAX_CONNECTIONS = 8;
const PROXY_WANTS_USER = 407;
/** Node's 250 ms for the first address of a host are too few on a slow line. */
const ADDRESS_TIMEOUT_MS = 2000;

export function openHttp(options: HttpOptions = {}): HttpClient {
  const { connectTimeoutMs = 20_000, idleTimeoutMs = 60_000, ca, proxy } = options;
  const common = { keepAlive: true, maxSockets: MAX_CONNECTIONS, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS };
  const agents = {
    http: new http.Agent(common),
    https: new https.Agent({ ...common, ...(ca !== undefined && { ca }) }),
  };

  let routes: Promise<ProxyRoutes> | undefined;

  async function routeOf({ url, headers }: HttpRequest): Promise<Route | undefined> {
    const through = proxy?.(url);
    if (through === undefined) return undefined;
    routes ??= import('./proxy-route.ts').then(({ openProxyRoutes }) => openProxyRoutes());
    return (await routes).route(through, url, headers);
  }

  function send(request: HttpRequest, route: Route | undefined): Promise<HttpResponse> {
    const { url, method, headers, signal } = request;
    const tls = (route?.scheme ?? url.protocol) === 'https:';
    return new Promise((resolve, reject) => {
      const common = { method, ...(ca !== undefined && { ca }), ...(signal && { signal }) };
      const module = tls ? https : http;
      const outgoing = route
        ? module.request({ ...common, ...route.options })
        : module.request(url, { ...common, headers, agent: tls ? agents.https : agents.http });
      let response: IncomingMessage | undefined;
      const timedOut = (): void => {
        // Silence because nobody reads is not the other side's.
        if (response !== undefined && response.readableLength >= response.readableHighWaterMark) {
          response.socket.setTimeout(idleTimeoutMs);
          return;
        }
        const error = noAnswer();
        response?.destroy(error);
        outgoing.destroy(error);
      };
      let connecting: NodeJS.Timeout | undefined;
      if (route !== undefined) {
        // There is a socket only when the proxy has answered, and without one a request that is destroyed does not tell.
        const giveUp = (error: Error): void => {
          outgoing.destroy();
          reject(error);
        };
        connecting = setTimeout(() => giveUp(noAnswer()), connectTimeoutMs);
        const onAbort = (): void => giveUp(new Error('aborted'));
        signal?.addEventListener('abort', onAbort, { once: true });
        outgoing.once('socket', () => {
          clearTimeout(connecting);
          signal?.removeEventListener('abort', onAbort);
        });
        outgoing.once('proxyConnect', ({ statusCode }: { readonly statusCode: number }) => {
          if (statusCode !== 200) giveUp(refusedByProxy(statusCode));
        });
      }
      // A request may have to wait for a connection to become free before one is made.
      outgoing.on('socket', (socket) => {
        if (!socket.connecting) return;
        connecting = setTimeout(timedOut, connectTimeoutMs);
        socket.once(tls ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
      });
      outgoing.setTimeout(idleTimeoutMs, timedOut);
      outgoing.on('error', (error) => {
        clearTimeout(connecting);
        reject(error);
      });
      outgoing.on('response', (incoming) => {
        response = incoming;
        // Without a listener, a body that breaks off before it is read would end the process.
        incoming.on('error', () => undefined);
        if (route !== undefined && incoming.statusCode === PROXY_WANTS_USER) {
          incoming.destroy();
          return reject(refusedByProxy(PROXY_WANTS_USER));
        }
        return resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, url, body: incoming });
      });
      outgoing.end();
    });
  }

  return {
    async request(request) {
      throwIfAborted(request.signal);
      try {
        return await send(request, await routeOf(request));
      } catch (error) {
        throwIfAborted(request.signal);
        throw error;
      }
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
      void routes?.then((opened) => opened.close());
    },
  };
}

function noAnswer(): Error {
  return Object.assign(new Error('No answer in time'), { code: 'ETIMEDOUT' });
}

function refusedByProxy(status: number): Error {
  return new Error(`the proxy answers ${status}`);
}

/** Whether a host, as in a URL or an image name, is this machine itself; only then is plain HTTP used. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
