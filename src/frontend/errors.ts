/** What can be wrong with a build that parses: one factory for each situation. */
import { BuildError } from '../core/errors.ts';
import type { SourceRange } from '../core/source.ts';
import { suggest } from '../core/suggest.ts';

interface Place {
  readonly range: SourceRange;
}

function didYouMean(word: string, known: Iterable<string>): { hint?: string } {
  const nearest = suggest(word, known);
  return nearest === undefined ? {} : { hint: `did you mean "${nearest}"?` };
}

// Stages

export function unknownTarget(target: string, names: readonly string[]): BuildError {
  const message = `Cannot find the target stage "${target}"`;
  if (/^\d+$/.test(target))
    return new BuildError('unknown-stage', message, { hint: 'a target is a name: give the stage one with "AS name"' });
  const nearest = didYouMean(target, names);
  const all =
    names.length === 0 ? 'no stage has a name: give it one with "AS name"' : `want one of ${names.join(', ')}`;
  return new BuildError('unknown-stage', message, { hint: all, ...nearest });
}

/** `key` is the name of the context. */
export function unknownContextStage(name: string, key: string, names: readonly string[]): BuildError {
  const message = `Cannot find the stage "${name}" that --build-context "${key}" stands for`;
  return new BuildError('unknown-stage', message, didYouMean(name, names));
}

/** A stage that needs itself by way of contexts that are stages; `names` are the stages on the way, the first one again at the end. */
export function circularContexts(names: readonly string[], { range }: Place): BuildError {
  return new BuildError('circular-stage', `Cannot build a stage that needs itself: ${names.join(' needs ')}`, {
    locations: [range],
    hint: 'a --build-context stands for one of these stages',
  });
}

export function noSuchStageNumber(number: string, count: number, { range }: Place): BuildError {
  const message = `Cannot find stage ${number}: the file has ${count === 1 ? 'one stage, number 0' : `the stages 0 to ${count - 1}`}`;
  return new BuildError('unknown-stage', message, { locations: [range] });
}

export function mountFromNumber(number: string, { range }: Place): BuildError {
  return new BuildError('unknown-stage', `Cannot mount from "${number}": RUN knows stages by their names alone`, {
    locations: [range],
    hint: 'give the stage a name with "AS name"',
  });
}

export function stageIsLater(name: string, isOwn: boolean, { range }: Place): BuildError {
  const why = isOwn ? 'it is the stage itself' : 'it stands below';
  return new BuildError('circular-stage', `Cannot take files from stage "${name}": ${why}`, {
    locations: [range],
    ...(!isOwn && { hint: 'a stage can use the stages above it: move that one up' }),
  });
}

/** `known` are the variables that have a value. */
export function blankBase(written: string, known: readonly string[], { range }: Place): BuildError {
  return new BuildError('invalid-base', `The base name of FROM is empty: "${written}" has no value`, {
    locations: [range],
    hint: blankHint(written, known),
  });
}

export function blankPlatform(written: string, known: readonly string[], { range }: Place): BuildError {
  return new BuildError('invalid-flag', `The platform of FROM is empty: "${written}" has no value`, {
    locations: [range],
    hint: blankHint(written, known),
  });
}

function blankHint(written: string, known: readonly string[]): string {
  const [, name = ''] = /\$\{?(\w+)/.exec(written) ?? [];
  const nearest = suggest(name, known);
  if (nearest !== undefined && nearest !== name) return `did you mean "$${nearest}"?`;
  return 'give the ARG before the first FROM a default, or pass --build-arg';
}

/** The word is the command line's alone. */
export function localPlatform({ range }: Place): BuildError {
  return new BuildError(
    'invalid-platform',
    'Cannot parse platform "local": FROM wants os/arch, such as "linux/arm64"',
    {
      locations: [range],
      hint: 'for the platform of this machine, write --platform=$BUILDPLATFORM',
    },
  );
}

export function stageInUpperCase(name: string, { range }: Place): BuildError {
  return new BuildError(
    'invalid-base',
    `Cannot parse image name "${name}": the repository name must be in lower case`,
    {
      locations: [range],
      hint: `for the stage, write FROM ${name.toLowerCase()}`,
    },
  );
}

/** `cause` says what is wrong with the image name. */
export function invalidBase(cause: BuildError, { range }: Place): BuildError {
  return new BuildError('invalid-base', cause.message, { locations: [range], cause });
}

/**
 * A base that could not be found or fetched: located. Where a stage has a similar name, that was probably meant, and no image.
 */
export function baseFailed(cause: BuildError, name: string, stages: readonly string[], { range }: Place): BuildError {
  const nearest = suggest(name, stages);
  if (nearest === undefined) return cause.at([range]);
  return new BuildError('unknown-stage', `Cannot find a stage or an image "${name}": ${cause.message}`, {
    locations: cause.locations.length > 0 ? cause.locations : [range],
    hint: `did you mean the stage "${nearest}"?`,
    cause,
  });
}

// Instructions

export function emptyVolume({ range }: Place): BuildError {
  return new BuildError('invalid-argument', 'A path of VOLUME is empty', { locations: [range] });
}

export function invalidSignal(signal: string, known: Iterable<string>, { range }: Place): BuildError {
  return new BuildError('invalid-argument', `Unknown signal "${signal}"`, {
    locations: [range],
    ...didYouMean(signal, known),
  });
}

export function invalidPort(port: string, why: string, { range }: Place): BuildError {
  return new BuildError('invalid-argument', `Cannot expose "${port}": ${why}`, { locations: [range] });
}

export function invalidMode(mode: string, { range }: Place): BuildError {
  return new BuildError(
    'invalid-flag',
    `Cannot use "${mode}" with --chmod: want an octal mode up to 7777 or clauses such as "u=rwX,go=rX"`,
    {
      locations: [range],
    },
  );
}

export function invalidHeredocName(name: string, { range }: Place): BuildError {
  return new BuildError('invalid-argument', `Cannot make a file of heredoc "${name}": it is not a file name`, {
    locations: [range],
  });
}

export function notGranted(flag: string, entitlement: string, range: SourceRange): BuildError {
  return new BuildError(
    'unsupported-feature',
    `Cannot RUN with ${flag}: the build does not have the entitlement "${entitlement}"`,
    {
      locations: [range],
      hint: `if you trust the Dockerfile, build with --allow ${entitlement}`,
    },
  );
}

export function remoteSource(source: string, { range }: Place): BuildError {
  return new BuildError('invalid-argument', `Cannot COPY from "${source}": only ADD takes URLs and repositories`, {
    locations: [range],
  });
}

export function namelessUrl(url: string, { range }: Place): BuildError {
  return new BuildError('invalid-argument', `Cannot ADD "${url}" to a directory: its path has no file name`, {
    locations: [range],
    hint: 'give the destination a name, without a slash at its end',
  });
}

export function invalidChecksum(why: string, { range }: Place): BuildError {
  return new BuildError('invalid-flag', `Cannot use --checksum: ${why}`, { locations: [range] });
}

export function onlyForRemote(flag: string, { range }: Place): BuildError {
  return new BuildError('invalid-flag', `Cannot use ${flag} with local sources`, { locations: [range] });
}

export function onlyForRepositories(flag: string, { range }: Place): BuildError {
  return new BuildError('invalid-flag', `Cannot use ${flag}: no source is a repository`, { locations: [range] });
}

export function unsupportedDevice(device: string, { range }: Place): BuildError {
  return new BuildError('unsupported-feature', `Cannot RUN with --device=${device}: CDI devices are not supported`, {
    locations: [range],
    hint: 'a step that needs a device of the host can use --security=insecure, with --allow security.insecure',
  });
}

// Mounts

export function invalidMount(
  why: string,
  { range }: Place,
  known?: { readonly word: string; readonly options: Iterable<string> },
): BuildError {
  return new BuildError('invalid-flag', `Cannot use --mount: ${why}`, {
    locations: [range],
    ...(known !== undefined && { hint: `want one of ${[...known.options].join(', ')}` }),
    ...(known !== undefined && didYouMean(known.word, known.options)),
  });
}
