/** Which language a Dockerfile is in, and what the builder is told by build arguments: what cannot be done is refused, not ignored. */
import { BuildError } from '../core/errors.ts';
import type { Dockerfile } from '../parser/types.ts';
import type { CompileWarning } from './types.ts';

/** Docker's own frontend with any tag or digest, which is what is built in; the last group is the major version. */
const BUILT_IN =
  /^(?:(?:index\.)?docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::(?:v?(\d+)(?:[.-][\w.-]*)?|[A-Za-z_][\w.-]*))?(?:@sha256:[0-9a-f]{64})?$/;

/** As build arguments, what they ask for. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  BUILDKIT_INLINE_CACHE: 'cache metadata in images is not supported',
  BUILDKIT_MULTI_PLATFORM: 'an image of one platform has no index',
};
/** Without a meaning here, though not without one elsewhere. */
const NO_EFFECT: Readonly<Record<string, string>> = {
  BUILDKIT_BUILD_NAME: 'there is no history of builds',
};

/**
 * The language is that of `# syntax`, unless the build argument BUILDKIT_SYNTAX names another. Throws `unsupported-feature` for another
 * frontend and `unsupported` for build arguments that ask for what there is not.
 */
export function checkLanguage(
  { directives: { syntax } }: Dockerfile,
  buildArgs: ReadonlyMap<string, string>,
): readonly CompileWarning[] {
  const wanted = buildArgs.get('BUILDKIT_SYNTAX') ?? '';
  if (wanted !== '') {
    if (!isBuiltIn(wanted)) throw foreignBuildArg(wanted);
  } else if (syntax !== undefined && !isBuiltIn(syntax.value)) {
    throw new BuildError(
      'unsupported-feature',
      `Cannot use the frontend "${syntax.value}": only Docker's is built in`,
      {
        locations: [syntax.range],
        hint: 'for a plain Dockerfile, remove the line or pass --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1',
      },
    );
  }
  for (const [name, why] of Object.entries(UNSUPPORTED)) {
    const value = buildArgs.get(name);
    if (value === undefined || /^(?:|0|f|false)$/i.test(value)) continue;
    throw new BuildError('unsupported', `Cannot build with the build argument "${name}=${value}": ${why}`, {
      hint: 'leave it out',
    });
  }
  return Object.entries(NO_EFFECT).flatMap(([name, why]) =>
    buildArgs.has(name) ? [{ message: `The build argument "${name}" has no effect: ${why}` }] : [],
  );
}

/** The build argument SOURCE_DATE_EPOCH, in milliseconds; throws `usage` for what is not a number of seconds. */
export function sourceDateEpoch(buildArgs: ReadonlyMap<string, string>): number | undefined {
  const text = buildArgs.get('SOURCE_DATE_EPOCH') ?? '';
  if (text === '') return undefined;
  const seconds = /^\d{1,12}$/.test(text) ? Number(text) : Infinity;
  if (seconds <= MAX_SECONDS) return seconds * 1000;
  throw new BuildError('usage', `Cannot use the SOURCE_DATE_EPOCH "${text}": want seconds since 1970`);
}

/** The last one of the year 9999. */
const MAX_SECONDS = 253_402_300_799;

/** The image may be followed by arguments of its own, which Docker's frontend has none of. */
function isBuiltIn(frontend: string): boolean {
  const [image = ''] = frontend.trim().split(/\s+/, 1);
  if (image === 'dockerfile.v0') return true;
  const match = BUILT_IN.exec(image);
  return match !== null && Number(match[1] ?? 1) < 2;
}

function foreignBuildArg(frontend: string): BuildError {
  return new BuildError(
    'unsupported',
    `Cannot use the frontend "${frontend}" of BUILDKIT_SYNTAX: only Docker's is built in`,
    {
      hint: 'for a plain Dockerfile, pass --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1',
    },
  );
}
