/** An image from a root filesystem tar. */
import { createReadStream } from 'node:fs';
import type { Digest } from '../core/digest.ts';
import { BuildError, errnoOf } from '../core/errors.ts';
import { hostPlatform, parsePlatform } from '../core/platform.ts';
import { compile } from '../frontend/build.ts';
import type { BuildPlan } from '../frontend/types.ts';
import type { LoadInput } from '../image/archive/load.ts';
import { importImage } from '../image/import.ts';
import type { ContainerConfig } from '../oci/types.ts';
import { parseReference } from '../oci/reference.ts';
import { parseDockerfile } from '../parser/parse.ts';
import type { InstructionKind } from '../parser/types.ts';
import type { Services } from './services.ts';
import type { CallOptions } from './types.ts';

export interface ImportOptions extends CallOptions {
  readonly message?: string;
  readonly platform?: string;
}

/** Those that say something about an image and do nothing to its files; Docker's list for `import --change`. */
const CHANGES: ReadonlySet<InstructionKind> = new Set([
  'cmd',
  'entrypoint',
  'env',
  'expose',
  'healthcheck',
  'label',
  'onbuild',
  'stopsignal',
  'user',
  'volume',
  'workdir',
]);

/** Resolves with the image's ID; without a name, the image is kept under it alone. */
export async function importRootfs(
  services: Services,
  input: LoadInput,
  name: string | undefined,
  changes: readonly string[],
  options: ImportOptions,
): Promise<Digest> {
  const reference = name === undefined ? undefined : parseReference(name);
  const config = await configOf(changes, options.platform);
  await using _lease = await services.lease();
  const { content, snapshots, images } = services;
  const image = await importImage({ content, snapshots, files: await services.files() }, tarOf(input), {
    config,
    comment: options.message ?? `Imported from ${input.kind === 'path' ? input.path : '-'}`,
    signal: options.signal,
  });
  if (reference) await images.setName(reference, image.target);
  else await images.addUnnamed(image.target);
  return image.id;
}

async function* tarOf(input: LoadInput): AsyncGenerator<Uint8Array, void, undefined> {
  if (input.kind === 'stream') {
    yield* input.stream;
    return;
  }
  try {
    yield* createReadStream(input.path) as AsyncIterable<Uint8Array>;
  } catch (error) {
    const why = { ENOENT: 'there is no such file', EISDIR: 'it is a directory', EACCES: 'permission denied' };
    const known = Object.entries(why).find(([code]) => code === errnoOf(error))?.[1];
    if (known === undefined) throw error;
    throw new BuildError('usage', `Cannot read "${input.path}": ${known}`, { cause: error });
  }
}

/** What the changes say, on an image that says nothing. */
async function configOf(changes: readonly string[], platform: string | undefined): Promise<BuildPlan['config']> {
  const text = ['FROM scratch', ...changes].join('\n');
  const dockerfile = parseDockerfile({ name: '--change', text });
  for (const { kind, keyword, range } of dockerfile.instructions.slice(1)) {
    if (CHANGES.has(kind)) continue;
    throw new BuildError(
      'usage',
      `Cannot apply "${keyword}" as a change: it is not one of ${[...CHANGES].join(', ').toUpperCase()}`,
      {
        locations: [range],
      },
    );
  }
  const plan = await compile(dockerfile, {
    resolveBase: () => Promise.reject(new Error('scratch has no base')),
    buildArgs: new Map(),
    targetPlatform: platform === undefined ? hostPlatform() : parsePlatform(platform),
    buildPlatform: hostPlatform(),
    noCache: false,
    network: 'default',
    labels: new Map(),
  });
  return {
    ...plan.config,
    config: withoutDefaults(
      plan.config.config ?? {},
      dockerfile.instructions.map(({ kind }) => kind),
    ),
  };
}

/** `FROM scratch` sets PATH and the working directory, an import does not. */
function withoutDefaults(config: ContainerConfig, given: readonly InstructionKind[]): ContainerConfig {
  const { Env: env = [], WorkingDir: workingDir, ...rest } = config;
  const own = given.includes('env') ? env : [];
  return {
    ...rest,
    ...(own.length > 0 && { Env: own }),
    ...(given.includes('workdir') && workingDir !== undefined && { WorkingDir: workingDir }),
  };
}
