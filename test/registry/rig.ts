/** A registry client on a content store in memory, whose waiting takes no time. */
import type { ContentStore } from '../../src/content/types.ts';
import type { Digest } from '../../src/core/digest.ts';
import type { RegistrySource, RegistrySourceOptions } from '../../src/registry/pull.ts';
import { openRegistrySource } from '../../src/registry/pull.ts';
import type { Platform } from '../../src/core/platform.ts';
import { memoryContent } from '../support/memory-content.ts';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

export interface Rig extends Disposable {
  readonly content: ContentStore & { readonly blobs: Map<Digest, Buffer> };
  readonly source: RegistrySource;
  /** How long the client would have waited. */
  readonly waitsMs: number[];
  clockMs: number;
}

export function openRig(options: Partial<RegistrySourceOptions> = {}): Rig {
  const content = memoryContent();
  const waitsMs: number[] = [];
  const rig = { clockMs: 0 };
  const source = openRegistrySource({
    content,
    random: () => 1,
    now: () => rig.clockMs,
    sleep: (ms) => {
      waitsMs.push(ms);
      return Promise.resolve();
    },
    ...options,
  });
  return Object.assign(rig, { content, source, waitsMs, [Symbol.dispose]: () => source.close() });
}
