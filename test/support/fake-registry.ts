/** A registry in this process that serves what it is given and misbehaves on request. */
import * as http from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Digest } from '../../src/core/digest.ts';
import { digestOf } from '../../src/core/digest.ts';
import { MediaType } from '../../src/oci/types.ts';
import type { TestImage } from './images.ts';

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface FakeRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as in an image name. */
  readonly host: string;
  /** Without the requests by which a client finds out what the host speaks. */
  readonly seen: SeenRequest[];
  readonly blobs: Map<Digest, Buffer>;
  /** By `repository:tag` and `repository@digest`. */
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  /** Serves an image under a tag. */
  add(repository: string, tag: string, image: TestImage): void;
  /** Serves a document under a tag, if any, and its digest, which is returned. */
  addManifest(repository: string, tag: string | undefined, bytes: Buffer, mediaType: string): Digest;
  /** What the registry does undisturbed. */
  serve(request: IncomingMessage, response: ServerResponse): void;
  /** Lets the next `times` requests whose `METHOD path` matches be answered by `misbehaviour`. */
  disturb(pattern: RegExp, times: number, misbehaviour: Misbehaviour): void;
}

interface Disturbance {
  readonly pattern: RegExp;
  times: number;
  readonly misbehaviour: Misbehaviour;
}

export interface FakeRegistryOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Answers HEAD with 405, as some do. */
  readonly withoutHead?: boolean;
  /** Ignores Range, as some do. */
  readonly withoutRanges?: boolean;
}

export async function openFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const seen: SeenRequest[] = [];
  const blobs: FakeRegistry['blobs'] = new Map();
  const manifests: FakeRegistry['manifests'] = new Map();
  const disturbances: Disturbance[] = [];

  const listener: RequestListener = (request, response) => {
    const { method = '', url = '' } = request;
    if (url === '/v2/') {
      response.end('{}');
      return;
    }
    seen.push({ method, url, headers: request.headers });
    const disturbance = disturbances.find(({ pattern, times }) => times > 0 && pattern.test(`${method} ${url}`));
    if (disturbance !== undefined) {
      disturbance.times--;
      disturbance.misbehaviour(request, response);
      return;
    }
    serve(request, response);
  };

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const [, repository = '', kind = '', name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? '') ?? [];
    if (request.method === 'HEAD' && options.withoutHead === true) {
      response.writeHead(405).end();
      return;
    }
    if (kind === 'manifests') {
      const found = manifests.get(name.startsWith('sha256:') ? `${repository}@${name}` : `${repository}:${name}`);
      if (found === undefined) {
        sendError(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
        return;
      }
      response.writeHead(200, {
        'content-type': found.mediaType,
        'content-length': found.bytes.length,
        'docker-content-digest': digestOf(found.bytes),
      });
      response.end(request.method === 'HEAD' ? undefined : found.bytes);
      return;
    }
    const blob = kind === 'blobs' ? blobs.get(name as Digest) : undefined;
    if (blob === undefined) sendError(response, 404, 'BLOB_UNKNOWN', 'blob unknown');
    else sendBlob(request, response, blob, options.withoutRanges !== true);
  }

  const server = options.tls ? https.createServer(options.tls, listener) : http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  function addManifest(repository: string, tag: string | undefined, bytes: Buffer, mediaType: string): Digest {
    const digest = digestOf(bytes);
    manifests.set(`${repository}@${digest}`, { bytes, mediaType });
    if (tag !== undefined) manifests.set(`${repository}:${tag}`, { bytes, mediaType });
    return digest;
  }

  return {
    host: `127.0.0.1:${port}`,
    seen,
    blobs,
    manifests,
    addManifest,
    serve,
    add(repository, tag, made) {
      blobs.set(digestOf(made.configBytes), made.configBytes);
      for (const layer of made.layers) blobs.set(layer.descriptor.digest, layer.blob);
      addManifest(repository, tag, made.manifestBytes, made.image.manifest.mediaType ?? MediaType.ociManifest);
    },
    disturb(pattern, times, misbehaviour) {
      disturbances.push({ pattern, times, misbehaviour });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sendError(response: ServerResponse, status: number, code: string, message: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

export function sendBlob(request: IncomingMessage, response: ServerResponse, blob: Buffer, ranges = true): void {
  const offset = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
  const part = blob.subarray(offset);
  response.writeHead(offset > 0 ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': part.length,
    ...(offset > 0 && { 'content-range': `bytes ${offset}-${blob.length - 1}/${blob.length}` }),
  });
  response.end(part);
}

/** Sends the first `bytes` of a blob, from where it was asked for, and then drops the connection. */
export function breakAfter(bytes: number, blob: Buffer): Misbehaviour {
  return (request, response) => {
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(offset > 0 ? 206 : 200, {
      'content-length': blob.length - offset,
      ...(offset > 0 && { 'content-range': `bytes ${offset}-${blob.length - 1}/${blob.length}` }),
    });
    response.write(blob.subarray(offset, offset + bytes), () => response.destroy());
  };
}

/** Answers with a status and nothing else. */
export function status(code: number, headers: http.OutgoingHttpHeaders = {}): Misbehaviour {
  return (_, response) => response.writeHead(code, headers).end();
}
