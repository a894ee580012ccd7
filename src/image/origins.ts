/**
 * Where layers can be fetched from.
 *
 * An image that was built on a base from a registry has the base's layers, under a name that no registry knows; and a base that nothing reads is
 * not downloaded. So the repository of every layer that a registry told of is written down: `<root>/images/origins/<hex>`.
 */
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../core/digest.ts';
import { hexOf } from '../core/digest.ts';
import { errnoOf } from '../core/errors.ts';
import { storeError } from '../core/store-errors.ts';
import type { Platform } from '../core/platform.ts';
import type { Reference } from '../oci/reference.ts';
import { formatReference, parseReference, repositoryOf } from '../oci/reference.ts';
import type { Descriptor } from '../oci/types.ts';
import type { FetchLayersOptions, FetchOptions, Image, ImageSource } from './types.ts';

/** A source that remembers where layers are, and fetches each from there, whatever the image is called. */
export class OriginTracker implements ImageSource {
  readonly #origins: Origins;
  readonly #source: ImageSource;

  constructor(origins: Origins, source: ImageSource) {
    this.#origins = origins;
    this.#source = source;
  }

  async resolve(reference: Reference, platform: Platform, options: FetchOptions): Promise<Image> {
    const image = await this.#source.resolve(reference, platform, options);
    await this.#origins.add(image.manifest.layers, reference);
    return image;
  }

  async fetchLayers(reference: Reference | undefined, image: Image, options: FetchLayersOptions): Promise<void> {
    const { layers } = image.manifest;
    const origins = await Promise.all(
      layers.map(async ({ digest }) => (await this.#origins.find(digest)) ?? reference),
    );
    const isNeeded = options.isNeeded ?? (async () => true);
    const repositories = new Map(origins.map((origin) => [origin && repositoryOf(origin), origin]));
    for (const [repository, origin] of repositories) {
      await this.#source.fetchLayers(origin, image, {
        ...options,
        isNeeded: async (layer, index) => {
          const own = origins[index];
          return (own && repositoryOf(own)) === repository && isNeeded(layer, index);
        },
      });
    }
  }
}

export class Origins {
  readonly #dir: string;

  /** `root`: the directory of the whole store. */
  constructor(root: string) {
    this.#dir = join(root, 'images', 'origins');
  }

  /** The newest origin counts: an older repository may be gone. */
  async add(layers: readonly Descriptor[], reference: Reference): Promise<void> {
    const text = formatReference(reference);
    try {
      await mkdir(this.#dir, { recursive: true });
      for (const { digest } of layers) {
        const path = this.#path(digest);
        const temporary = `${path}.${process.pid}.tmp`;
        await writeFile(temporary, text);
        await rename(temporary, path);
      }
    } catch (error) {
      throw storeError(error, this.#dir);
    }
  }

  async find(digest: Digest): Promise<Reference | undefined> {
    try {
      return parseReference(await readFile(this.#path(digest), 'utf8'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Forgets all but the layers in `needed`. */
  async retain(needed: ReadonlySet<Digest>): Promise<void> {
    const kept = new Set([...needed].map(hexOf));
    const names = await readdir(this.#dir).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    });
    for (const name of names) if (!kept.has(name)) await rm(join(this.#dir, name), { force: true });
  }

  #path(digest: Digest): string {
    return join(this.#dir, hexOf(digest));
  }
}
