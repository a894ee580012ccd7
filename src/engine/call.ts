/** What can be said of a build without building: checks, parameters, targets. Only a remote context needs the network, and a store. */
import { openContentStore } from '../content/fs-store.ts';
import { digestOf } from '../core/digest.ts';
import { unreachable } from '../core/exhaustive.ts';
import { BuildError, errnoOf, throwIfAborted } from '../core/errors.ts';
import type { Platform } from '../core/platform.ts';
import { hostPlatform, parsePlatform } from '../core/platform.ts';
import type { SourceFile } from '../core/source.ts';
import { compile } from '../frontend/build.ts';
import type { Outline, Target } from '../frontend/outline.ts';
import { listTargets, outlineOf } from '../frontend/outline.ts';
import type { BaseResolver, CompileOptions, NamedContext, ResolvedBase } from '../frontend/types.ts';
import { openImageStore } from '../image/store.ts';
import type { Reference } from '../oci/reference.ts';
import { formatReference } from '../oci/reference.ts';
import type { Finding } from '../parser/lint/rules.ts';
import { ruleNamed } from '../parser/lint/rules.ts';
import { parseDockerfile } from '../parser/parse.ts';
import { openAgents } from './agents.ts';
import { platformOf } from './bases.ts';
import { openSecrets } from './client-side.ts';
import type { BuildInputs } from './inputs.ts';
import { isIgnoredBy, openInputs } from './inputs.ts';
import { openRemotes } from './remotes.ts';
import type { CheckedFinding, CheckReport, InspectOptions, InspectRequest, NamedContextSource } from './types.ts';

/** `BuildInspector.check`. */
export function checkBuild(request: InspectRequest, options: InspectOptions): Promise<CheckReport> {
  return withInputs(request, options, async ({ dockerfile: file, ignore }) => {
    const findings: CheckedFinding[] = [];
    const onFinding = ({ rule, message, range }: Finding): void => {
      const { description, url } = ruleNamed(rule);
      findings.push({ rule, description, ...(url !== undefined && { url }), message, range });
    };
    try {
      await compile(parseDockerfile(file), {
        ...inspectOptions(request, options),
        allStages: request.target === undefined,
        noCache: false,
        network: request.network,
        labels: new Map(),
        ...(request.entitlements !== undefined && { entitlements: request.entitlements }),
        ...(ignore !== undefined && { isIgnored: isIgnoredBy(ignore) }),
        onFinding,
      });
      return { file, findings };
    } catch (error) {
      throwIfAborted(options.signal);
      if (!(error instanceof BuildError)) throw error;
      return { file, findings, error };
    }
  });
}

/** `BuildInspector.outline`. */
export function outlineBuild(
  request: InspectRequest,
  options: InspectOptions,
): Promise<{ readonly file: SourceFile; readonly outline: Outline }> {
  return withInputs(request, options, async ({ dockerfile: file }) => ({
    file,
    outline: await outlineOf(parseDockerfile(file), inspectOptions(request, options)),
  }));
}

/** `BuildInspector.targets`. */
export function listBuildTargets(
  request: InspectRequest,
  options: InspectOptions,
): Promise<{ readonly file: SourceFile; readonly targets: readonly Target[] }> {
  return withInputs(request, options, async ({ dockerfile: file }) => ({
    file,
    targets: listTargets(parseDockerfile(file)),
  }));
}

/** Opens the context and the Dockerfile for as long as `work` takes. */
async function withInputs<T>(
  { context, dockerfile, ...given }: InspectRequest,
  { root, signal }: InspectOptions,
  work: (inputs: BuildInputs) => Promise<T>,
): Promise<T> {
  const sshAgents = await openAgents(given.sshAgents, signal);
  // No step runs that wants them.
  const isRemote = context.kind === 'remote' || dockerfile.kind === 'url';
  const secrets = await openSecrets(isRemote ? given.secrets : undefined, signal);
  await using remotes = openRemotes({ root, content: openContentStore(root) }, { secrets, sshAgents });
  await using inputs = await openInputs(context, dockerfile, { remotes, keepGitDir: false, signal });
  return await work(inputs);
}

function inspectOptions(
  request: InspectRequest,
  { root }: InspectOptions,
): Pick<CompileOptions, 'resolveBase' | 'buildArgs' | 'target' | 'targetPlatform' | 'buildPlatform' | 'contexts'> {
  const contexts = new Map<string, NamedContext>();
  for (const [name, source] of request.namedContexts ?? []) contexts.set(name, unreadContext(source));
  return {
    resolveBase: storedBases(root),
    buildArgs: request.buildArgs,
    ...(request.target !== undefined && { target: request.target }),
    targetPlatform: request.platform === undefined ? hostPlatform() : parsePlatform(request.platform),
    buildPlatform: hostPlatform(),
    contexts,
  };
}

/** Nothing is read of contexts, so that any image will do for an image. */
function unreadContext(source: NamedContextSource): NamedContext {
  switch (source.kind) {
    case 'directory':
    case 'remote':
      return { kind: 'local' };
    case 'image':
    case 'oci-layout':
      return { kind: 'image', reference: 'tsbuild.invalid/context' };
    case 'target':
      return { kind: 'stage', name: source.stage };
    default:
      return unreachable(source);
  }
}

/** Bases as far as the store has them; others are stood in for. */
function storedBases(root: string): BaseResolver {
  const images = openImageStore(root, { content: openContentStore(root) });
  return async (reference, platform) => {
    try {
      const name = await images.resolveName(reference);
      const image = name && (await images.load(name.target));
      if (image && isFor(platformOf(image), platform))
        return { reference: formatReference(reference), manifest: image.target.digest, config: image.config };
    } catch (error) {
      // A store that cannot be read, or not any more, is no reason not to check.
      if (!(error instanceof BuildError) && errnoOf(error) === undefined) throw error;
    }
    return standIn(reference, platform);
  };
}

function isFor(offered: Platform, wanted: Platform): boolean {
  return offered.os === wanted.os && offered.architecture === wanted.architecture;
}

function standIn(reference: Reference, platform: Platform): ResolvedBase {
  return {
    reference: formatReference(reference),
    manifest: digestOf(''),
    config: { ...platform, rootfs: { type: 'layers', diff_ids: [] } },
    isUnknown: true,
  };
}
