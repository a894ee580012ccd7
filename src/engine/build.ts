/** One build: from inputs to a named image. */
import type { Finding } from '../parser/lint/rules.ts';
import { parseDockerfile } from '../parser/parse.ts';
import { BuildError, throwIfAborted } from '../core/errors.ts';
import { hostPlatform, parsePlatform } from '../core/platform.ts';
import type { ProgressEvent } from '../core/progress.ts';
import { formatLocation } from '../core/source.ts';
import type { BuildResult } from '../executor/types.ts';
import { compile } from '../frontend/build.ts';
import type { BuildPlan } from '../frontend/types.ts';
import { assembleImage } from '../image/assemble.ts';
import type { Image } from '../image/types.ts';
import type { Reference } from '../oci/reference.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import type { SnapshotId } from '../snapshot/types.ts';
import { openAgents } from './agents.ts';
import { Bases } from './bases.ts';
import { openClientSide, openSecrets } from './client-side.ts';
import { isIgnoredBy, openInputs } from './inputs.ts';
import { openRemotes } from './remotes.ts';
import type { Services } from './services.ts';
import { solve } from './solve.ts';
import type { BuildOutcome, BuildRequest, CallOptions } from './types.ts';

export async function build(services: Services, request: BuildRequest, options: CallOptions): Promise<BuildOutcome> {
  const findings: Finding[] = [];
  try {
    return await buildImage(services, request, options, (finding) => findings.push(finding));
  } catch (error) {
    // What is doubtful may well be why it failed.
    if (!options.signal.aborted) for (const finding of findings) options.progress(warningOf(finding));
    throw error;
  }
}

function warningOf({ rule, message, range }: Finding): ProgressEvent {
  return { kind: 'warning', message: `${rule}: ${message} (${formatLocation(range)})`, timeMs: Date.now() };
}

async function buildImage(
  services: Services,
  request: BuildRequest,
  options: CallOptions,
  onFinding: (finding: Finding) => void,
): Promise<BuildOutcome> {
  const { signal } = options;
  const tags = request.tags.map(parseTag);
  const targetPlatform = request.platform === undefined ? hostPlatform() : parsePlatform(request.platform);
  // From here on nothing that the build may find in the store is pruned.
  await using _lease = await services.lease();
  const sshAgents = await openAgents(request.sshAgents, signal);
  const secrets = await openSecrets(request.secrets, signal);
  await using remotes = openRemotes(services, { secrets, sshAgents });
  await using inputs = await openInputs(request.context, request.dockerfile, {
    remotes,
    keepGitDir: request.buildArgs.get('BUILDKIT_CONTEXT_KEEP_GIT_DIR') === '1',
    signal,
  });
  const dockerfile = parseDockerfile(inputs.dockerfile);
  const bases = new Bases({ images: services.images, registry: services.registry, pull: request.pull, signal });
  const clientOptions = { context: inputs.context, secrets, sshAgents, remotes, bases, signal };
  const client = await openClientSide(services, request, clientOptions);
  const plan = await compile(dockerfile, {
    resolveBase: bases.resolve,
    buildArgs: request.buildArgs,
    ...(request.target !== undefined && { target: request.target }),
    targetPlatform,
    platformRequested: request.platform !== undefined,
    buildPlatform: hostPlatform(),
    noCache: request.noCache,
    network: request.network,
    labels: request.labels,
    onFinding,
    ...(inputs.ignore !== undefined && { isIgnored: isIgnoredBy(inputs.ignore) }),
    ...client.compileOptions,
  });
  const result = await solve(services, plan, client, options);
  throwIfAborted(signal);
  const image = await imageOf(services, plan, result, bases, request.annotations, signal);
  throwIfAborted(signal);
  await bases.keepNames();
  if (tags.length === 0) await services.images.addUnnamed(image.target);
  for (const tag of tags) await services.images.setName(tag, image.target);
  return {
    imageId: image.id,
    manifest: image.target,
    names: tags.map(familiarReference),
    warnings: plan.warnings.map(({ rule, message, range }) => ({
      message: rule === undefined ? message : `${rule}: ${message}`,
      ...(range !== undefined && { range }),
    })),
  };
}

function parseTag(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest !== undefined) {
    throw new BuildError('invalid-reference', `Cannot name an image "${text}": a name given with -t has no digest`);
  }
  return reference;
}

async function imageOf(
  services: Services,
  plan: BuildPlan,
  result: BuildResult,
  bases: Bases,
  annotations: BuildRequest['annotations'],
  signal: AbortSignal,
): Promise<Image> {
  const base =
    plan.base && (await bases.image(parseReference(plan.base.reference), plan.basePlatform ?? plan.platform));
  return assembleImage(
    { content: services.content, snapshots: services.snapshots, files: await services.files() },
    {
      ...(base && { base }),
      layers: newLayers(result, base),
      config: plan.config,
      history: plan.history,
      ...(plan.epochMs !== undefined && { epochMs: plan.epochMs }),
      ...(annotations !== undefined && { annotations }),
      signal,
    },
  );
}

/** The snapshots above the base's own. */
function newLayers(result: BuildResult, base: Image | undefined): readonly SnapshotId[] {
  switch (result.kind) {
    case 'image':
      return [];
    case 'layers':
      return result.layers.slice(base?.manifest.layers.length ?? 0);
    case 'local':
    case 'remote':
      throw new Error('a build context is no image');
  }
}
