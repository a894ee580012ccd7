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

/** The base images of one build; each is looked up once. */
export class Bases {
  readonly #options: BaseResolverOptions;
  readonly #found = new Map<string, Promise<Image>>();
  readonly #pulled = new Map<Reference, Image>();

  constructor(options: BaseResolverOptions) {
    this.#options = options;
  }

  readonly resolve: BaseResolver = async (reference, platform): Promise<ResolvedBase> => {
    const image = await this.image(reference, platform);
    return { reference: formatReference(reference), manifest: image.target.digest, config: image.config };
  };

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
