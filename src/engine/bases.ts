/** Finding base images: in the store by name, else at the registry. */
import type { Platform } from '../core/platform.ts';
import { formatPlatform, platformRank } from '../core/platform.ts';
import type { BaseResolver, ResolvedBase } from '../frontend/types.ts';
import type { Image, ImageSource, ImageStore } from '../image/types.ts';
import type { Reference } from '../oci/reference.ts';
import { formatReference } from '../oci/reference.ts';

export interface BaseResolverOptions {
  readonly images: ImageStore;
  /** Loads the registry client, which most builds do not need. */
  readonly registry: () => Promise<ImageSource>;
  /** Ask the registry even where the store has the name. */
  readonly pull: boolean;
  readonly signal: AbortSignal;
}

/** The host of names for images that are no registry's; no registry can have it (RFC 6761). */
const SOURCE_HOST = 'context.invalid';

/** The base images of one build; each is looked up once. */
export class Bases {
  readonly #options: BaseResolverOptions;
  readonly #found = new Map<string, Promise<Image>>();
  readonly #pulled = new Map<Reference, Image>();
  readonly #sources = new Map<string, (platform: Platform) => Promise<Image>>();

  constructor(options: BaseResolverOptions) {
    this.#options = options;
  }

  readonly resolve: BaseResolver = async (reference, platform): Promise<ResolvedBase> => {
    const image = await this.image(reference, platform);
    return { reference: formatReference(reference), manifest: image.target.digest, config: image.config };
  };

  /** Takes in an image from elsewhere, found by `find` when it is used; returns the reference that then stands for it. */
  addSource(name: string, find: (platform: Platform) => Promise<Image>): string {
    const readable = name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '');
    const reference = `${SOURCE_HOST}/${this.#sources.size}/${readable === '' ? 'image' : readable.slice(0, 100)}:latest`;
    this.#sources.set(reference, find);
    return reference;
  }

  image(reference: Reference, platform: Platform): Promise<Image> {
    const key = `${formatReference(reference)} ${formatPlatform(platform)}`;
    const known = this.#found.get(key);
    if (known) return known;
    const found = this.#find(reference, platform);
    this.#found.set(key, found);
    return found;
  }

  async #find(reference: Reference, platform: Platform): Promise<Image> {
    const { pull, signal } = this.#options;
    const source = this.#sources.get(formatReference(reference));
    if (source) return source(platform);
    if (!pull) {
      const local = await this.#findLocal(reference, platform);
      if (local) return local;
    }
    const registry = await this.#options.registry();
    const image = await registry.resolve(reference, platform, { signal });
    this.#pulled.set(reference, image);
    return image;
  }

  /** Names in the store what came from a registry; for a build that went well, so that a failed one leaves no trace. */
  async keepNames(): Promise<void> {
    for (const [reference, image] of this.#pulled) await this.#options.images.setName(reference, image.target);
  }

  async #findLocal(reference: Reference, platform: Platform): Promise<Image | undefined> {
    const name = await this.#options.images.resolveName(reference);
    const image = name ? await this.#options.images.load(name.target) : undefined;
    if (!image) return undefined;
    return platformRank(platform, platformOf(image)) > 0 ? image : undefined;
  }
}

/** The platform that an image says it is for. */
export function platformOf(image: Image): Platform {
  const { os, architecture, variant } = image.config;
  return { os, architecture, ...(variant !== undefined && { variant }) };
}
