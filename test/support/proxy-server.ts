/** A proxy on loopback with a record of what it was asked for; it alone knows where the hosts of a test are. */
import type { IncomingMessage } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';

export interface TestProxy extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** `GET http://host/path` and `CONNECT host:port`, in order. */
  readonly asked: string[];
  readonly headers: IncomingMessage['headers'][];
}

export interface ProxyOptions {
  /** `host:port` as clients know it, to the port on loopback where it is. */
  readonly hosts: Readonly<Record<string, number>>;
  /** Wanted as Proxy-Authorization. */
  readonly authorization?: string;
}

/** `await using proxy = await serveProxy({ hosts: { 'files.test:80': port } })`. */
export async function serveProxy({ hosts, authorization }: ProxyOptions): Promise<TestProxy> {
  const asked: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const accepts = (request: IncomingMessage): boolean => {
    asked.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    return authorization === undefined || request.headers['proxy-authorization'] === authorization;
  };
  const server = createServer((request, response) => {
    if (!accepts(request)) return response.writeHead(407, { 'proxy-authenticate': 'Basic realm="x"' }).end();
    const url = new URL(request.url ?? '', 'http://unknown.test');
    const port = hosts[`${url.hostname}:${url.port || '80'}`];
    if (port === undefined) return response.writeHead(502).end();
    const { 'proxy-authorization': _own, ...passed } = request.headers;
    const path = `${url.pathname}${url.search}`;
    const onward = httpRequest({ host: '127.0.0.1', port, path, method: request.method, headers: passed });
    onward.on('response', (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers)));
    onward.on('error', () => response.destroy());
    return request.pipe(onward);
  });
  server.on('connect', (request: IncomingMessage, client) => {
    client.on('error', () => undefined);
    if (!accepts(request)) return client.end('HTTP/1.1 407 No\r\n\r\n');
    const port = hosts[request.url ?? ''];
    if (port === undefined) return client.end('HTTP/1.1 502 No\r\n\r\n');
    const onward = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(onward).pipe(client);
    });
    onward.on('error', () => client.destroy());
    return client.on('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    headers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
