/** Stages: the instructions from one FROM to the next, what each is based on, and what names refer to. */
import { BuildError } from '../core/errors.ts';
import type { Platform } from '../core/platform.ts';
import { unreachable } from '../core/exhaustive.ts';
import { parsePlatform } from '../core/platform.ts';
import type { SourceRange } from '../core/source.ts';
import type { Reference } from '../oci/reference.ts';
import { parseReference } from '../oci/reference.ts';
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction } from '../parser/types.ts';
import type { FoundContext, NamedContexts } from './contexts.ts';
import {
  blankBase,
  blankPlatform,
  invalidBase,
  localPlatform,
  mountFromNumber,
  noSuchStageNumber,
  stageInUpperCase,
  stageIsLater,
  unknownContextStage,
  unknownTarget,
} from './errors.ts';
import type { GlobalScope } from './scope.ts';

export interface Stage {
  /** From 0. */
  readonly index: number;
  /** In lower case. */
  readonly name?: string;
  readonly from: FromInstruction;
  readonly base: SourceName;
  /** Of `--platform`. */
  readonly platform?: Platform;
  readonly instructions: readonly Instruction[];
}

/** What a name stands for in FROM, `COPY --from` and `RUN --mount=from`. */
export type SourceName =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly stage: Stage }
  /** A directory of the client; the build context is called `context`. */
  | { readonly kind: 'local'; readonly name: string }
  /** `name` as written, unless a named context replaces it. */
  | { readonly kind: 'image'; readonly name: string };

export const BUILD_CONTEXT: SourceName = { kind: 'local', name: 'context' };

/** The instructions before the first FROM, and those of each stage. */
export function splitStages(dockerfile: Dockerfile): {
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly { readonly from: FromInstruction; readonly instructions: readonly Instruction[] }[];
} {
  const globalArgs: ArgInstruction[] = [];
  const stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  for (const instruction of dockerfile.instructions) {
    const current = stages.at(-1);
    if (instruction.kind === 'from') stages.push({ from: instruction, instructions: [] });
    else if (current) current.instructions.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
    else throw new Error(`${instruction.keyword} stands before the first FROM`);
  }
  return { globalArgs, stages };
}

/** Expands FROM lines and finds what they are based on. Throws `invalid-base`, `invalid-flag`, `invalid-platform`. */
export function resolveStages(
  split: ReturnType<typeof splitStages>['stages'],
  scope: GlobalScope,
  contexts: NamedContexts,
  buildPlatform: Platform,
): readonly Stage[] {
  const stages: Stage[] = [];
  const later: (() => void)[] = [];
  for (const { from, instructions } of split) {
    const image = scope.expand(from.image);
    if (image === '') throw blankBase(from.image.text, scope.names(), from.image);
    const platform = platformOf(from, scope, buildPlatform);
    const name = from.stageName?.value.toLowerCase();
    const replaced = name === undefined ? undefined : contexts.find(name, platform);
    const context = replaced ?? contextOf(image, platform, stages, contexts);
    const stage: { -readonly [K in keyof Stage]: Stage[K] } = {
      index: stages.length,
      ...(name !== undefined && { name }),
      from,
      base: context === undefined ? resolveBase(image, from, stages) : { kind: 'scratch' },
      ...(platform !== undefined && { platform }),
      instructions: replaced === undefined ? instructions : [],
    };
    // A context may stand for a stage that is further down.
    if (context !== undefined) later.push(() => (stage.base = sourceOf(context, stages)));
    stages.push(stage);
  }
  for (const resolve of later) resolve();
  for (const { key, name } of contexts.stages()) stageOfContext(name, key, stages);
  return stages;
}

function platformOf(from: FromInstruction, scope: GlobalScope, buildPlatform: Platform): Platform | undefined {
  if (from.platform === undefined) return undefined;
  const text = scope.expand(from.platform);
  if (text === '') throw blankPlatform(from.platform.text, scope.names(), from.platform);
  if (text === 'local') throw localPlatform(from.platform);
  try {
    return parsePlatform(text, buildPlatform);
  } catch (error) {
    throw error instanceof BuildError ? error.at([from.platform.range]) : error;
  }
}

function contextOf(
  image: string,
  platform: Platform | undefined,
  above: readonly Stage[],
  contexts: NamedContexts,
): FoundContext | undefined {
  return above.some(({ name }) => name === image) ? undefined : contexts.find(image, platform);
}

/** FROM knows a stage in lower case alone, unlike COPY. */
function resolveBase(image: string, from: FromInstruction, above: readonly Stage[]): SourceName {
  const stage = above.findLast(({ name }) => name === image);
  if (stage) return { kind: 'stage', stage };
  if (image === 'scratch') return { kind: 'scratch' };
  if (above.some(({ name }) => name === image.toLowerCase())) throw stageInUpperCase(image, from.image);
  // As in Docker, also where nothing needs the stage.
  baseReference(image, from.image.range);
  return { kind: 'image', name: image };
}

/** `name` as the name of an image; throws `invalid-base` with `range`. */
export function baseReference(name: string, range: SourceRange): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    throw error instanceof BuildError ? invalidBase(error, { range }) : error;
  }
}

/** Of all stages, needed or not, as in Docker: no COPY takes files from its own stage, or from a number that no stage has. */
export function checkCopySources(stages: readonly Stage[]): void {
  for (const stage of stages) {
    for (const instruction of stage.instructions) {
      if (instruction.kind !== 'copy' || instruction.from === undefined) continue;
      const { value, range } = instruction.from;
      const isOwn = value === String(stage.index) || value.toLowerCase() === stage.name;
      const isNumber = /^\d+$/.test(value);
      if (isNumber && Number(value) >= stages.length) throw noSuchStageNumber(value, stages.length, { range });
      const isEarlier = !isNumber && stages.some(({ name, index }) => name === stage.name && index < stage.index);
      if (isOwn && !isEarlier) throw stageIsLater(value, true, { range });
    }
  }
}

function sourceOf({ key, context }: FoundContext, stages: readonly Stage[]): SourceName {
  switch (context.kind) {
    case 'local':
      return { kind: 'local', name: key };
    case 'image':
      return { kind: 'image', name: context.reference };
    case 'stage':
      return { kind: 'stage', stage: stageOfContext(context.name, key, stages) };
    default:
      return unreachable(context);
  }
}

/** The stage that a context stands for, wherever in the file it is. */
function stageOfContext(name: string, key: string, stages: readonly Stage[]): Stage {
  const stage = stages.findLast((each) => each.name === name.toLowerCase());
  if (stage === undefined) throw unknownContextStage(name, key, stageNames(stages));
  return stage;
}

/**
 * What `name` means in `instruction` of `user`: a stage above it by name or, for COPY, by number, a named context, or an image. Of several
 * stages with one name it is the nearest above. Throws `circular-stage`, `unknown-stage`.
 */
export function resolveSource(
  name: string,
  instruction: Instruction,
  user: Stage,
  stages: readonly Stage[],
  contexts: NamedContexts,
  range: SourceRange,
): SourceName {
  if (/^\d+$/.test(name) && instruction.kind !== 'run') {
    const stage = stages[Number(name)];
    if (stage === undefined) throw noSuchStageNumber(name, stages.length, { range });
    if (stage.index >= user.index) throw stageIsLater(name, stage === user, { range });
    return { kind: 'stage', stage };
  }
  const named = stages.filter((stage) => stage.name === name.toLowerCase());
  const stage = named.findLast(({ index }) => index < user.index);
  if (stage) return { kind: 'stage', stage };
  if (named.length > 0) throw stageIsLater(name, named.includes(user), { range });
  if (name === 'scratch') return { kind: 'scratch' };
  const context = contexts.find(name);
  if (context !== undefined) return sourceOf(context, stages);
  if (/^\d+$/.test(name) && stages[Number(name)] !== undefined) throw mountFromNumber(name, { range });
  return { kind: 'image', name };
}

/** The stage to build; a target is a name, never a number. Throws `unknown-stage`. */
export function findTarget(stages: readonly Stage[], target: string | undefined): Stage {
  const found = target === undefined ? stages.at(-1) : stages.findLast(({ name }) => name === target.toLowerCase());
  if (found) return found;
  throw unknownTarget(target ?? '', stageNames(stages));
}

export function stageNames(stages: readonly Stage[]): string[] {
  return stages.flatMap(({ name }) => name ?? []);
}
