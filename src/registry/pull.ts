/**
 * Images from registries: a name to an index, to the manifest for a platform, to its config; and layers as they are needed.
 *
 * Every document and blob is checked against its digest and, from the second time on, taken from the content store.
 */
import type { ContentStore } from '../content/types.ts';
import { digestOf, isDigest } from '../core/digest.ts';
import type { Digest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import type { Platform } from '../core/platform.ts';
import { formatPlatform, platformRank } from '../core/platform.ts';
import type { FetchOptions, Image, ImageSource } from '../image/types.ts';
import type { ImageDocument } from '../oci/validate.ts';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseConfig, parseDocument, schema1 } from '../oci/validate.ts';
import { familiarReference } from '../oci/reference.ts';
import type { Reference } from '../oci/reference.ts';
import type { Descriptor, Index, Manifest } from '../oci/types.ts';
import { MediaType } from '../oci/types.ts';
import type { CredentialsLookup } from './auth.ts';
import { Authenticator } from './auth.ts';
import { RegistryClient } from './client.ts';
import { changedManifest, nestedTooDeep, noPlatform, notManifest } from './errors.ts';
import { fetchLayerBlobs } from './layers.ts';
import { openHttp } from './http.ts';
import type { HttpOptions, HttpResponse } from './http.ts';
import { readBody, release, Transport } from './transport.ts';
import type { TransportOptions } from './transport.ts';

export interface RegistrySourceOptions extends HttpOptions, Omit<TransportOptions, 'http'> {
  readonly content: ContentStore;
  readonly credentials?: CredentialsLookup;
}

export interface RegistrySource extends ImageSource {
  /** Closes idle connections. */
  close(): void;
}

export function openRegistrySource(options: RegistrySourceOptions): RegistrySource {
  const http = openHttp(options);
  const transport = new Transport({ ...options, http });
  const auth = new Authenticator({ ...options, transport });
  const clients = new Map<string, RegistryClient>();
  const clientFor = (domain: string): RegistryClient => {
    const client = clients.get(domain) ?? new RegistryClient(domain, transport, auth);
    clients.set(domain, client);
    return client;
  };
  return {
    resolve: (reference, platform, fetchOptions) =>
      new Resolution(options.content, clientFor(reference.domain), reference, platform, fetchOptions).resolve(),
    fetchLayers: (reference, image, fetchOptions) => {
      const { content } = options;
      const registry = reference && { client: clientFor(reference.domain), repository: reference.path };
      return fetchLayerBlobs({ content, transport, registry }, image, fetchOptions);
    },
    close: () => http.close(),
  };
}

const ACCEPT = [MediaType.ociIndex, MediaType.dockerIndex, MediaType.ociManifest, MediaType.dockerManifest].join(', ');
const SCHEMA1_TYPE = 'application/vnd.docker.distribution.manifest.v1+';
/** What servers say that know no better; the document says itself what it is. */
const VAGUE_TYPES = new Set(['', 'application/json', 'application/octet-stream', 'text/plain']);
const HEAD_FAILURES = new Set<string>(['registry-error', 'registry-not-found', 'registry-denied']);
const MAX_DEPTH = 3;

/** A manifest or an index with its digest. */
interface FetchedDocument {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly document: ImageDocument;
}

class Resolution {
  readonly #content: ContentStore;
  readonly #client: RegistryClient;
  readonly #reference: Reference;
  readonly #platform: Platform;
  readonly #options: FetchOptions;
  readonly #what: string;

  constructor(
    content: ContentStore,
    client: RegistryClient,
    reference: Reference,
    platform: Platform,
    options: FetchOptions,
  ) {
    this.#content = content;
    this.#client = client;
    this.#reference = reference;
    this.#platform = platform;
    this.#options = options;
    this.#what = `image "${familiarReference(reference)}"`;
  }

  async resolve(): Promise<Image> {
    let fetched = await this.#top();
    const indexes: Buffer[] = [];
    for (let depth = 0; fetched.document.kind === 'index'; depth++) {
      if (depth >= MAX_DEPTH) throw nestedTooDeep(this.#what);
      indexes.push(fetched.bytes);
      fetched = await this.#byDigest(this.#choose(fetched.document.index));
    }
    const { manifest } = fetched.document;
    const target: Descriptor = {
      mediaType: manifest.mediaType ?? MediaType.ociManifest,
      digest: fetched.digest,
      size: fetched.bytes.length,
    };
    const { digest: id } = manifest.config;
    const configBytes = await this.#config(manifest);
    const config = parseConfig(configBytes, manifest, `image config "${id}"`);
    // What points at something is stored after it.
    await this.#content.put(configBytes);
    await this.#content.put(fetched.bytes);
    for (const bytes of indexes.reverse()) await this.#content.put(bytes);
    return { target, manifest, id, config, configBytes };
  }

  #top(): Promise<FetchedDocument> {
    const { digest, tag = 'latest' } = this.#reference;
    return digest === undefined ? this.#byTag(tag) : this.#byDigest(digest);
  }

  /** Asks for the digest first: that costs little, counts for no rate limit, and is all that is needed when nothing is new. */
  async #byTag(tag: string): Promise<FetchedDocument> {
    const stored = await this.#storedUnder(tag);
    if (stored !== undefined) return stored;
    const response = await this.#client.manifest('GET', this.#reference.path, tag, ACCEPT, this.#request);
    return this.#received(response, digestHeader(response));
  }

  async #storedUnder(tag: string): Promise<FetchedDocument | undefined> {
    let response: HttpResponse;
    try {
      response = await this.#client.manifest('HEAD', this.#reference.path, tag, ACCEPT, this.#request);
    } catch (error) {
      // Some registries don't know HEAD, and no answer to it has a text: GET tells whether there is something, and why not.
      if (error instanceof BuildError && HEAD_FAILURES.has(error.code)) return undefined;
      throw error;
    }
    release(response);
    const digest = digestHeader(response);
    return digest !== undefined && (await this.#content.has(digest)) ? this.#stored(digest) : undefined;
  }

  async #byDigest(digest: Digest): Promise<FetchedDocument> {
    if (await this.#content.has(digest)) return this.#stored(digest);
    return this.#received(
      await this.#client.manifest('GET', this.#reference.path, digest, ACCEPT, this.#request),
      digest,
    );
  }

  async #stored(digest: Digest): Promise<FetchedDocument> {
    const bytes = await this.#content.read(digest, MAX_MANIFEST_BYTES);
    return { bytes, digest, document: parseDocument(bytes, this.#what) };
  }

  async #received(response: HttpResponse, expected: Digest | undefined): Promise<FetchedDocument> {
    const type = (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    if (type.startsWith(SCHEMA1_TYPE)) {
      release(response);
      throw schema1(this.#what);
    }
    if (!VAGUE_TYPES.has(type) && !ACCEPT.split(', ').includes(type)) {
      release(response);
      throw notManifest(this.#what, response.url, type);
    }
    const bytes = await readBody(response, MAX_MANIFEST_BYTES, this.#what);
    const digest = digestOf(bytes);
    if (expected !== undefined && digest !== expected)
      throw changedManifest(this.#what, response.url, expected, digest);
    return { bytes, digest, document: parseDocument(bytes, this.#what) };
  }

  #choose(index: Index): Digest {
    let best: Descriptor | undefined;
    let bestRank = 0;
    for (const entry of index.manifests) {
      const rank = entry.platform === undefined ? 0 : platformRank(this.#platform, entry.platform);
      if (rank > bestRank) [best, bestRank] = [entry, rank];
    }
    if (best !== undefined) return best.digest;
    throw noPlatform(this.#what, formatPlatform(this.#platform), offeredBy(index));
  }

  async #config(manifest: Manifest): Promise<Buffer> {
    const { digest, size } = manifest.config;
    const what = `the config of ${this.#what}`;
    if (size > MAX_CONFIG_BYTES) {
      throw new BuildError('limit-exceeded', `Cannot use ${what}: it has ${size} bytes, more than ${MAX_CONFIG_BYTES}`);
    }
    if (await this.#content.has(digest)) return this.#content.read(digest, MAX_CONFIG_BYTES);
    const response = await this.#client.blob(this.#reference.path, digest, 0, { ...this.#request, what });
    const bytes = await readBody(response, MAX_CONFIG_BYTES, what);
    const got = digestOf(bytes);
    if (got !== digest) throw changedManifest(what, response.url, digest, got);
    return bytes;
  }

  get #request(): { readonly what: string; readonly signal?: AbortSignal | undefined } {
    return { what: this.#what, signal: this.#options.signal };
  }
}

function digestHeader(response: HttpResponse): Digest | undefined {
  const text = response.headers['docker-content-digest'];
  return typeof text === 'string' && isDigest(text) ? text : undefined;
}

/** The platforms of an index, without those of attestations. */
function offeredBy(index: Index): string[] {
  const names = index.manifests.flatMap(({ platform }) =>
    platform === undefined || platform.os === 'unknown' ? [] : [formatPlatform(platform)],
  );
  return [...new Set(names)];
}
