/**
 * Names of images on disk: `<root>/images/names/<hash of the name>` and `<root>/images/unnamed/<digest of the manifest>`, one small JSON
 * file each. A name is hashed because it may be longer than a file name; the file says what it is.
 *
 * A file is replaced as a whole, so readers need no lock and a name always points at one image or the other.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { IngestDirectory, syncDirectory } from '../content/ingest.ts';
import type { StoreFs } from '../content/ingest.ts';
import type { ContentStore } from '../content/types.ts';
import type { Digest } from '../core/digest.ts';
import { digestOf, hexOf, isDigest } from '../core/digest.ts';
import { BuildError, errnoOf } from '../core/errors.ts';
import { compareBytes } from '../core/paths.ts';
import { storeError } from '../core/store-errors.ts';
import type { Reference } from '../oci/reference.ts';
import { formatReference, parseReference, repositoryOf } from '../oci/reference.ts';
import type { Descriptor } from '../oci/types.ts';
import { countOf, parseJsonObject, required, stringOf } from '../oci/json-check.ts';
import { loadImage } from './load.ts';
import type { Image, ImageName, ImageStore } from './types.ts';
import { descriptorOf } from '../oci/validate.ts';

/** Shorter prefixes of an ID are taken for names only. */
const MIN_PREFIX = 4;

export interface ImageStoreOptions {
  readonly content: ContentStore;
  /** The time that a name is given. */
  readonly now?: () => number;
  /** For tests that let system calls fail. */
  readonly fs?: StoreFs;
}

/** The image store below `root`, the directory of the whole store; it shares `content` with everybody else. */
export function openImageStore(root: string, options: ImageStoreOptions): ImageStore {
  return new FsImageStore(join(root, 'images'), options);
}

class FsImageStore implements ImageStore {
  readonly #names: string;
  readonly #unnamed: string;
  readonly #ingest: IngestDirectory;
  readonly #content: ContentStore;
  readonly #now: () => number;

  constructor(dir: string, options: ImageStoreOptions) {
    this.#names = join(dir, 'names');
    this.#unnamed = join(dir, 'unnamed');
    this.#ingest = new IngestDirectory(join(dir, 'ingest'), options.fs);
    this.#content = options.content;
    this.#now = options.now ?? Date.now;
  }

  async find(nameOrId: string): Promise<Image | undefined> {
    const hex = nameOrId.startsWith('sha256:') ? nameOrId.slice('sha256:'.length) : nameOrId;
    const looksLikeId = new RegExp(`^[0-9a-f]{${MIN_PREFIX},64}$`).test(hex);
    const onlyId = looksLikeId && (hex.length === 64 || hex !== nameOrId);
    if (!onlyId) {
      const named = await this.#findByName(parseReference(nameOrId));
      if (named !== undefined) return this.load(named);
    }
    return looksLikeId ? this.#findById(hex) : undefined;
  }

  async resolveName(reference: Reference): Promise<ImageName | undefined> {
    return readRecord(this.#pathOf(canonicalName(reference)), nameOf);
  }

  load(target: Descriptor): Promise<Image> {
    return loadImage(this.#content, target);
  }

  async names(): Promise<ImageName[]> {
    const names = await readRecords(this.#names, nameOf);
    return names.sort((a, b) => compareBytes(a.name, b.name));
  }

  async setName(reference: Reference, target: Descriptor): Promise<void> {
    const name = canonicalName(reference);
    const former = await this.resolveName(reference);
    if (former?.target.digest === target.digest) return;
    if (!(await this.#content.has(target.digest))) {
      throw new Error(`The manifest "${target.digest}" of "${name}" is not in the content store`);
    }
    // Before the name moves on: a crash in between leaves an image with a name and a mark too many, never one without either.
    if (former !== undefined && (await this.#isOnlyName(former))) await this.addUnnamed(former.target);
    const record: ImageName = { name, target: plain(target), updatedAtMs: this.#now() };
    await this.#ingest.replace(this.#pathOf(name), Buffer.from(JSON.stringify(record)));
    await this.removeUnnamed(target.digest);
  }

  async removeName(reference: Reference): Promise<boolean> {
    return removeRecord(this.#pathOf(canonicalName(reference)));
  }

  async addUnnamed(target: Descriptor): Promise<void> {
    const path = join(this.#unnamed, hexOf(target.digest));
    if ((await readRecord(path, unnamedOf)) !== undefined) return;
    await this.#ingest.replace(path, Buffer.from(JSON.stringify({ target: plain(target) })));
  }

  async unnamed(): Promise<Descriptor[]> {
    const [marked, names] = await Promise.all([readRecords(this.#unnamed, unnamedOf), this.names()]);
    const named = new Set(names.map((name) => name.target.digest));
    return marked.filter((target) => !named.has(target.digest)).sort((a, b) => compareBytes(a.digest, b.digest));
  }

  async removeUnnamed(digest: Digest): Promise<void> {
    await removeRecord(join(this.#unnamed, hexOf(digest)));
  }

  #pathOf(name: string): string {
    return join(this.#names, hexOf(digestOf(name)));
  }

  async #isOnlyName(name: ImageName): Promise<boolean> {
    const names = await this.names();
    return !names.some((other) => other.name !== name.name && other.target.digest === name.target.digest);
  }

  async #findByName(reference: Reference): Promise<Descriptor | undefined> {
    const exact = await this.resolveName(reference);
    if (exact !== undefined) return exact.target;
    if (reference.digest === undefined) return undefined;
    // `alpine@sha256:...` is also what `alpine:latest` points at, if the digest is that one.
    const repository = repositoryOf(reference);
    const names = await this.names();
    return names.find(
      ({ name, target }) => target.digest === reference.digest && repositoryOf(parseReference(name)) === repository,
    )?.target;
  }

  /** By a prefix of the image ID, or the whole digest of the manifest. */
  async #findById(hex: string): Promise<Image | undefined> {
    const found = new Map<Digest, Image>();
    for (const target of await this.#targets()) {
      const image = await this.#loadWhole(target);
      if (image === undefined) continue;
      if (hex === hexOf(target.digest)) return image;
      if (hexOf(image.id).startsWith(hex) && !found.has(image.id)) found.set(image.id, image);
    }
    const [first, ...others] = found.values();
    if (others.length > 0) throw ambiguousId(hex, found.size);
    return first;
  }

  /** Every image once, those with names first. */
  async #targets(): Promise<Descriptor[]> {
    const [names, unnamed] = await Promise.all([this.names(), readRecords(this.#unnamed, unnamedOf)]);
    const targets = new Map<Digest, Descriptor>();
    for (const target of [...names.map((name) => name.target), ...unnamed]) targets.set(target.digest, target);
    return [...targets.values()];
  }

  /** One damaged image must not keep others from being found. */
  async #loadWhole(target: Descriptor): Promise<Image | undefined> {
    try {
      return await this.load(target);
    } catch (error) {
      if (error instanceof BuildError && error.code === 'store-corrupt') return undefined;
      throw error;
    }
  }
}

/** What a name is stored under: with a digest the tag says nothing more. */
function canonicalName(reference: Reference): string {
  const { domain, path, digest } = reference;
  return formatReference(digest === undefined ? reference : { domain, path, digest });
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

function nameOf(bytes: Buffer): ImageName {
  const root = parseJsonObject(bytes, 'name');
  return {
    name: stringOf(required(root, 'name')),
    target: descriptorOf(required(root, 'target')),
    updatedAtMs: countOf(required(root, 'updatedAtMs')),
  };
}

function unnamedOf(bytes: Buffer): Descriptor {
  return descriptorOf(required(parseJsonObject(bytes, 'unnamed image'), 'target'));
}

async function readRecord<T>(path: string, parse: (bytes: Buffer) => T): Promise<T | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return parse(bytes);
  } catch (error) {
    throw new BuildError('store-corrupt', `Cannot read the image name in "${path}"`, {
      hint: 'Remove the file, then tag or build the image again',
      cause: error,
    });
  }
}

async function readRecords<T>(dir: string, parse: (bytes: Buffer) => T): Promise<T[]> {
  let files: string[];
  try {
    files = await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
  const records = await Promise.all(
    files.filter((file) => isDigest(`sha256:${file}`)).map((file) => readRecord(join(dir, file), parse)),
  );
  return records.filter((record) => record !== undefined);
}

/** Whether there was one. */
async function removeRecord(path: string): Promise<boolean> {
  try {
    await rm(path);
    await syncDirectory(join(path, '..'));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw storeError(error, path);
  }
}

function ambiguousId(hex: string, count: number): BuildError {
  return new BuildError('invalid-reference', `Cannot tell which image "${hex}" is: ${count} image IDs begin with it`, {
    hint: 'Give more digits of the ID',
  });
}
