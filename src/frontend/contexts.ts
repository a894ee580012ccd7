/** Named contexts: what the build was told that a name stands for. */
import { BuildError } from '../core/errors.ts';
import type { Platform } from '../core/platform.ts';
import { formatPlatform, parsePlatform } from '../core/platform.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { NamedContext } from './types.ts';

export interface FoundContext {
  /** As the build has it, a platform included. */
  readonly key: string;
  readonly context: NamedContext;
}

/** Contexts by name, or by name and platform: `alpine::linux/arm64`. */
export class NamedContexts {
  readonly #targetPlatform: Platform;
  readonly #contexts: readonly (FoundContext & { readonly name: string; readonly platform?: string })[];

  /** Throws `invalid-platform` for what comes after `::`. */
  constructor(contexts: ReadonlyMap<string, NamedContext>, targetPlatform: Platform) {
    this.#targetPlatform = targetPlatform;
    this.#contexts = [...contexts].map(([key, context]) => {
      const colons = key.indexOf('::');
      const name = comparable(colons < 0 ? key : key.slice(0, colons));
      if (colons < 0) return { key, context, name };
      return { key, context, name, platform: formatPlatform(parsePlatform(key.slice(colons + 2))) };
    });
  }

  /** What stands for `name`, the one for `platform` (that of the build) first. */
  find(name: string, platform: Platform = this.#targetPlatform): FoundContext | undefined {
    if (name === 'scratch' || name === 'context' || this.#contexts.length === 0) return undefined;
    const wanted = comparable(name);
    const named = this.#contexts.filter((context) => context.name === wanted);
    const exact = formatPlatform(parsePlatform(formatPlatform(platform)));
    return (
      named.find((context) => context.platform === exact) ?? named.find((context) => context.platform === undefined)
    );
  }

  /** The contexts that are stages, by the name of the stage. */
  stages(): readonly { readonly key: string; readonly name: string }[] {
    return this.#contexts.flatMap(({ key, context }) => (context.kind === 'stage' ? { key, name: context.name } : []));
  }
}

/** One text for all spellings of a name, in lower case: `alpine` is `docker.io/library/alpine:latest`. */
function comparable(name: string): string {
  const lower = name.toLowerCase();
  try {
    return formatReference(parseReference(lower));
  } catch (error) {
    if (error instanceof BuildError) return lower;
    throw error;
  }
}
