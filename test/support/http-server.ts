/** A small web server on loopback, with a record of what it was asked for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly requests: IncomingMessage[];
  /** By path, without the query; a path that is not there is answered 404. May be changed. */
  readonly answers: Map<string, Answer>;
}

/** `await using server = await serve({ '/a': text('x') })`. */
export async function serve(answers: Readonly<Record<string, Answer>>): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const known = new Map(Object.entries(answers));
  const server = createServer((request, response) => {
    requests.push(request);
    const { pathname } = new URL(request.url ?? '/', 'http://server');
    const answer =
      known.get(pathname) ??
      [...known].find(([path]) => path.endsWith('/*') && pathname.startsWith(path.slice(0, -1)))?.[1];
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    answers: known,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with a body, and `304` where the request knows it already. */
export function body(content: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Answer {
  return (request, response) => {
    const { etag, 'last-modified': modified } = headers;
    const sameTag = etag !== undefined && request.headers['if-none-match'] === etag;
    const sameTime = etag === undefined && modified !== undefined && request.headers['if-modified-since'] === modified;
    if (sameTag || sameTime) response.writeHead(304, headers).end();
    else response.writeHead(200, headers).end(content);
  };
}

export function redirect(location: string): Answer {
  return (_request, response) => response.writeHead(302, { location }).end();
}
