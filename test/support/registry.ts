/** Debian's docker-registry on a free port of this machine, and a client that pushes to it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { digestOf } from '../../src/core/digest.ts';
import { MediaType } from '../../src/oci/types.ts';
import type { TestImage } from './images.ts';
import { tempDir } from './temp.ts';

const BINARY = '/usr/bin/docker-registry';

export interface RealRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Uploads an image's blobs and its manifest under a tag. */
  push(repository: string, tag: string, image: TestImage): Promise<void>;
  pushManifest(repository: string, tagOrDigest: string, bytes: Buffer, mediaType: string): Promise<void>;
}

/** Why there is no docker-registry to test against; undefined if there is one. */
export function registryMissing(): string | undefined {
  return existsSync(BINARY) ? undefined : `${BINARY} is not installed (Debian package docker-registry)`;
}

export async function openRealRegistry(): Promise<RealRegistry> {
  const dir = await tempDir();
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(dir.path, 'data') }, delete: { enabled: true } },
    http: { addr: host },
  };
  // JSON is YAML.
  await writeFile(join(dir.path, 'config.yml'), JSON.stringify(config));
  const child = spawn(BINARY, ['serve', join(dir.path, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  await untilServing(host, child, () => output);

  async function upload(repository: string, bytes: Buffer): Promise<void> {
    const started = await expectStatus(202, `http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(started.headers.get('location') ?? '', `http://${host}`);
    location.searchParams.set('digest', digestOf(bytes));
    await expectStatus(201, location.href, { method: 'PUT', body: new Uint8Array(bytes) });
  }
  async function pushManifest(repository: string, name: string, bytes: Buffer, mediaType: string): Promise<void> {
    await expectStatus(201, `http://${host}/v2/${repository}/manifests/${name}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: new Uint8Array(bytes),
    });
  }
  return {
    host,
    pushManifest,
    async push(repository, tag, made) {
      for (const layer of made.layers) await upload(repository, layer.blob);
      await upload(repository, made.configBytes);
      await pushManifest(repository, tag, made.manifestBytes, made.image.manifest.mediaType ?? MediaType.ociManifest);
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function untilServing(host: string, child: ChildProcess, output: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}: ${output()}`);
    const response = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`docker-registry does not serve: ${output()}`);
}

async function expectStatus(status: number, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status === status) return response;
  throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
