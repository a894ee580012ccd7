/** `tsbuild build`: the default command. */
import { statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { hexOf } from '../../core/digest.ts';
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { isRemoteContext } from '../../core/remote-url.ts';
import { parsePlatform } from '../../core/platform.ts';
import { formatLocation } from '../../core/source.ts';
import type { BuildOutcome, BuildRequest, BuildWarning, ContextSource, DockerfileSource } from '../../engine/types.ts';
import { parseReference } from '../../oci/reference.ts';
import { buildInputs, INPUT_OPTIONS } from '../build-inputs.ts';
import { proxyBuildArgs } from '../docker-config.ts';
import { parseCall } from '../calls/parse-call.ts';
import { keyValues, labels } from '../key-values.ts';
import { OCI_RUNTIME_OPTION, ociRuntimeOf } from '../oci-runtime.ts';
import { notAChoice } from '../parse.ts';
import { printableText } from '../progress/log-lines.ts';
import type { ProgressMode } from '../progress/renderer.ts';
import { PROGRESS_MODES } from '../progress/renderer.ts';
import { warningBlock, withProgress } from '../progress/with-progress.ts';
import { remoteContext } from '../remote-context.ts';
import type { CliDeps, CommandContext, Environment } from '../types.ts';
import { defineCommand } from '../types.ts';
import { UNSUPPORTED_BUILD_FLAGS } from '../unsupported-flags.ts';

const NETWORKS = ['default', 'none', 'host'] as const;

export const build = defineCommand({
  name: 'build',
  operands: 'PATH | URL | -',
  summary: 'Build an image from a Dockerfile',
  options: {
    tag: { kind: 'list', short: 't', placeholder: 'NAME[:TAG]', describe: 'Name of the image' },
    file: {
      kind: 'value',
      short: 'f',
      placeholder: 'FILE',
      describe: 'Dockerfile, or - for stdin (default: PATH/Dockerfile)',
    },
    'build-arg': {
      kind: 'list',
      placeholder: 'KEY[=VALUE]',
      describe: 'Value of an ARG; without VALUE, from the environment',
    },
    target: { kind: 'value', placeholder: 'STAGE', describe: 'Stage to build (default: the last one)' },
    platform: { kind: 'value', placeholder: 'OS/ARCH', describe: 'Platform of the image' },
    'no-cache': { kind: 'flag', describe: 'Run every step anew' },
    pull: { kind: 'flag', describe: 'Ask the registry for newer base images' },
    network: { kind: 'value', placeholder: 'MODE', describe: 'Network of RUN steps', choices: NETWORKS },
    label: { kind: 'list', placeholder: 'KEY=VALUE', describe: 'Label of the image' },
    ...INPUT_OPTIONS,
    check: { kind: 'flag', describe: 'Check the Dockerfile instead of building' },
    call: {
      kind: 'value',
      placeholder: 'METHOD',
      describe: 'Ask about the build: check, outline or targets[,format=json]',
    },
    progress: { kind: 'value', placeholder: 'MODE', describe: 'How progress is shown', choices: PROGRESS_MODES },
    quiet: { kind: 'flag', short: 'q', describe: 'Print only the image ID' },
    iidfile: { kind: 'value', placeholder: 'FILE', describe: 'Write the image ID to a file' },
    ...OCI_RUNTIME_OPTION,
    load: { kind: 'flag', describe: 'Keep the image in the store, which is always done' },
  },
  unsupported: UNSUPPORTED_BUILD_FLAGS,
  arity: { min: 1, max: 1 },
  async run(args, context) {
    const { deps, env } = context;
    const quiet = args.flag('quiet');
    const mode = quiet ? 'quiet' : progressMode(args.value('progress'), env);
    const call = parseCall(args.value('call'), args.flag('check'));
    const noCache = args.flag('no-cache');
    const [target, platform] = [args.value('target'), args.value('platform')];
    const from = sources(args.operands[0]!, args.value('file'), deps);
    const request: BuildRequest = {
      ...from,
      tags: args.list('tag').map(checkedTag),
      buildArgs: new Map([
        ...(await proxyBuildArgs(env, deps.cwd)),
        ...sourceDateEpoch(env),
        ...keyValues('--build-arg', args.list('build-arg'), env),
      ]),
      // As in Docker, no name is no target.
      ...(target !== undefined && target !== '' && { target }),
      ...(platform !== undefined && { platform: checkedPlatform(platform) }),
      noCache,
      pull: args.flag('pull'),
      network: NETWORKS.find((name) => name === args.value('network')) ?? 'default',
      labels: labels('--label', args.list('label')),
      ...buildInputs(args, context, { context: from.context, ...(platform !== undefined && { platform }), noCache }),
    };
    if (call !== undefined) {
      const { runCall } = await import('../calls/call.ts');
      return runCall(call, await deps.inspector(), request, { root: context.root(), signal: deps.signal }, deps.stdout);
    }
    const iidFile = args.value('iidfile');
    const idPath = iidFile === undefined ? undefined : resolve(deps.cwd, iidFile);
    // An ID of an earlier build must not be taken for this one's.
    if (idPath !== undefined) await rm(idPath, { force: true });
    const outcome = await context.withEngine(
      (engine) => withProgress(mode, context, (options) => engine.build(request, options)),
      ociRuntimeOf(args.value('oci-runtime'), env, deps.cwd),
    );
    if (idPath !== undefined) await writeFile(idPath, outcome.imageId);
    report(outcome, mode, context);
    return ExitStatus.ok;
  },
});

/** The convention of reproducible-builds.org: a variable of the client that counts unless a build argument says otherwise. */
function sourceDateEpoch({ SOURCE_DATE_EPOCH: epoch }: Environment): readonly (readonly [string, string])[] {
  return epoch === undefined || epoch === '' ? [] : [['SOURCE_DATE_EPOCH', epoch]];
}

function progressMode(flag: string | undefined, env: Environment): ProgressMode {
  const fromEnv = env['BUILDKIT_PROGRESS'];
  const wanted = flag ?? (fromEnv === undefined || fromEnv === '' ? 'auto' : fromEnv);
  const mode = PROGRESS_MODES.find((name) => name === wanted);
  if (mode === undefined) throw notAChoice('BUILDKIT_PROGRESS', wanted, PROGRESS_MODES);
  return mode;
}

function sources(
  path: string,
  file: string | undefined,
  deps: CliDeps,
): { readonly context: ContextSource; readonly dockerfile: DockerfileSource } {
  if (path === '-' && file === '-')
    throw new BuildError('usage', 'Cannot read both the context and the Dockerfile from stdin');
  if (/^(?:oci-layout|docker-image):\/\//.test(path)) {
    throw new BuildError('unsupported', `Cannot use "${path}" as the context: images are no build contexts`);
  }
  if (path === '') throw new BuildError('usage', 'The path of the context is empty');
  const context = contextSource(path, deps);
  if (file === undefined || file === '') return { context, dockerfile: { kind: 'default' } };
  if (file === '-') return { context, dockerfile: { kind: 'stream', stream: deps.stdin() } };
  if (/^https?:\/\//i.test(file)) return { context, dockerfile: { kind: 'url', url: file } };
  // The Dockerfile of a tar or a repository is inside it, so its name is left as it is.
  const absolute = context.kind === 'directory' ? resolve(deps.cwd, file) : file;
  return { context, dockerfile: { kind: 'path', path: absolute, shown: file } };
}

/** As Docker tells them apart: a directory that exists is never taken for a URL. */
function contextSource(path: string, deps: CliDeps): ContextSource {
  if (path === '-') return { kind: 'stream', stream: deps.stdin() };
  const absolute = resolve(deps.cwd, path);
  if (!isRemoteContext(path) || statSync(absolute, { throwIfNoEntry: false })?.isDirectory() === true) {
    return { kind: 'directory', path: absolute };
  }
  return remoteContext(path);
}

function checkedTag(tag: string): string {
  if (parseReference(tag).digest !== undefined) {
    throw new BuildError('invalid-reference', `Cannot tag the image as "${tag}": a name with a digest cannot be given`);
  }
  return tag;
}

function checkedPlatform(platform: string): string {
  if (platform.includes(','))
    throw new BuildError('unsupported', `Cannot build for "${platform}": only one platform at a time is supported`);
  parsePlatform(platform);
  return platform;
}

function report(outcome: BuildOutcome, mode: ProgressMode, { deps }: CommandContext): void {
  switch (mode) {
    case 'quiet':
      deps.stdout.write(`${outcome.imageId}\n`);
      return;
    case 'none':
      return;
    case 'rawjson':
      deps.stderr.write(
        `${JSON.stringify({ kind: 'built', imageId: outcome.imageId, names: outcome.names, warnings: outcome.warnings.map(warningText) })}\n`,
      );
      return;
    default: {
      const lines = [
        `Successfully built ${hexOf(outcome.imageId).slice(0, 12)}`,
        ...outcome.names.map((name) => `Successfully tagged ${name}`),
      ];
      deps.stderr.write(`${warningBlock(outcome.warnings.map(warningText))}\n${lines.join('\n')}\n`);
    }
  }
}

function warningText({ message, range }: BuildWarning): string {
  const text = printableText(message);
  return range === undefined ? text : `${text} (${printableText(formatLocation(range))})`;
}
