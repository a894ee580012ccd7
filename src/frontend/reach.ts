/**
 * From the target back to everything that it needs: stages, base images, and what triggers of bases add to that.
 *
 * Nothing else is resolved, so an image that only an unused stage names is never asked for. Images are resolved at the same time, each
 * once for a platform.
 */
import { BuildError } from '../core/errors.ts';
import type { Platform } from '../core/platform.ts';
import { formatPlatform } from '../core/platform.ts';
import type { SourceRange } from '../core/source.ts';
import { formatReference } from '../oci/reference.ts';
import { parseTrigger } from '../parser/parse.ts';
import type { Instruction } from '../parser/types.ts';
import type { NamedContexts } from './contexts.ts';
import { baseFailed, circularContexts } from './errors.ts';
import type { SourceName, Stage } from './stages.ts';
import { baseReference, BUILD_CONTEXT, resolveSource, stageNames } from './stages.ts';
import type { CompileOptions, ResolvedBase } from './types.ts';

/** Where files come from, once images are known. */
export type Source =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly stage: Stage }
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'image'; readonly base: ResolvedBase; readonly platform: Platform };

/** An instruction to carry out, with the sources that its options name. */
export interface Step {
  readonly instruction: Instruction;
  /** It comes from the base's ONBUILD. */
  readonly isTrigger: boolean;
  /** Of COPY and ADD: the one source. Of RUN: one for each mount, whether it uses it or not. */
  readonly sources: readonly Source[];
}

/** A stage that the target needs. */
export interface ReachedStage {
  readonly stage: Stage;
  readonly base: Source;
  /** The base's triggers first. */
  readonly steps: readonly Step[];
}

export interface ReachOptions {
  readonly stages: readonly Stage[];
  readonly contexts: NamedContexts;
  readonly resolveBase: CompileOptions['resolveBase'];
  readonly targetPlatform: Platform;
}

/** The stages that `targets` need, themselves included, in the order of the file, but each after those that it needs. */
export async function reachStages(targets: readonly Stage[], options: ReachOptions): Promise<readonly ReachedStage[]> {
  const reacher = new Reacher(options);
  await inOrder(...targets.map((target) => reacher.reach(target)));
  return reacher.reached();
}

class Reacher {
  readonly #options: ReachOptions;
  readonly #pending = new Map<Stage, Promise<void>>();
  readonly #reached = new Map<Stage, ReachedStage>();
  readonly #needs = new Map<Stage, Set<Stage>>();
  readonly #images = new Map<string, Promise<ResolvedBase>>();

  constructor(options: ReachOptions) {
    this.#options = options;
  }

  reached(): readonly ReachedStage[] {
    const ordered = new Set<ReachedStage>();
    const add = (reached: ReachedStage): void => {
      if (ordered.has(reached)) return;
      for (const stage of this.#needs.get(reached.stage) ?? []) {
        const needed = this.#reached.get(stage);
        if (needed) add(needed);
      }
      ordered.add(reached);
    };
    for (const reached of [...this.#reached.values()].toSorted((a, b) => a.stage.index - b.stage.index)) add(reached);
    return [...ordered];
  }

  /** No stage needs itself, so this ends. */
  reach(stage: Stage): Promise<void> {
    const known = this.#pending.get(stage);
    if (known) return known;
    const pending = this.#reach(stage);
    this.#pending.set(stage, pending);
    return pending;
  }

  async #reach(stage: Stage): Promise<void> {
    // A long chain of stages must not become a deep stack.
    await Promise.resolve();
    const [[base, triggers], own] = await inOrder(this.#base(stage), this.#steps(stage, stage.instructions, false));
    this.#reached.set(stage, { stage, base, steps: [...triggers, ...own] });
  }

  async #base(stage: Stage): Promise<[Source, readonly Step[]]> {
    const base = await this.#source(stage, stage.base, stage.platform, stage.from.image.range);
    // A trigger is in no file: messages show its text under this name.
    const name = `ONBUILD of ${stage.from.image.text}`;
    const triggers = triggersOf(base).map((trigger) => parseTrigger(trigger, { name }));
    return [base, await this.#steps(stage, triggers, true)];
  }

  async #steps(stage: Stage, instructions: readonly Instruction[], isTrigger: boolean): Promise<readonly Step[]> {
    const { stages, contexts } = this.#options;
    const steps = instructions.map(async (instruction) => {
      const sources = sourcesOf(instruction).map(async ({ name, range }) => {
        const source =
          name === undefined ? BUILD_CONTEXT : resolveSource(name, instruction, stage, stages, contexts, range);
        return this.#source(stage, source, undefined, range);
      });
      return { instruction, isTrigger, sources: await inOrder(...sources) };
    });
    return inOrder(...steps);
  }

  async #source(user: Stage, name: SourceName, platform: Platform | undefined, range: SourceRange): Promise<Source> {
    if (name.kind === 'stage') {
      this.#addNeed(user, name.stage, range);
      await this.reach(name.stage);
    }
    if (name.kind !== 'image') return name;
    const wanted = platform ?? this.#options.targetPlatform;
    return { kind: 'image', base: await this.#image(name.name, wanted, range), platform: wanted };
  }

  /** Stages above are no danger; a context can stand for any stage. Throws `circular-stage`. */
  #addNeed(user: Stage, needed: Stage, range: SourceRange): void {
    const needs = this.#needs.get(user) ?? new Set();
    this.#needs.set(user, needs.add(needed));
    if (this.#options.contexts.stages().length === 0) return;
    const way = this.#way(needed, user, new Set());
    if (way !== undefined) throw circularContexts([user, ...way].map(stageLabel), { range });
  }

  #way(from: Stage, to: Stage, seen: Set<Stage>): readonly Stage[] | undefined {
    if (from === to) return [from];
    seen.add(from);
    for (const next of this.#needs.get(from) ?? []) {
      const rest = seen.has(next) ? undefined : this.#way(next, to, seen);
      if (rest !== undefined) return [from, ...rest];
    }
    return undefined;
  }

  #image(name: string, platform: Platform, range: SourceRange): Promise<ResolvedBase> {
    const reference = baseReference(name, range);
    const key = `${formatPlatform(platform)} ${formatReference(reference)}`;
    const known = this.#images.get(key);
    if (known) return known;
    const resolved = this.#options.resolveBase(reference, platform).catch((error: unknown) => {
      if (!(error instanceof BuildError)) throw error;
      throw baseFailed(error, name, stageNames(this.#options.stages), { range });
    });
    this.#images.set(key, resolved);
    return resolved;
  }
}

function stageLabel({ name, index }: Stage): string {
  return name === undefined ? `stage ${index}` : `"${name}"`;
}

/** The sources that an instruction names; without a name it is the build context. */
function sourcesOf(instruction: Instruction): readonly { readonly name?: string; readonly range: SourceRange }[] {
  switch (instruction.kind) {
    case 'add':
      return [{ range: instruction.range }];
    case 'copy':
      return [
        instruction.from
          ? { name: instruction.from.value, range: instruction.from.range }
          : { range: instruction.range },
      ];
    case 'run':
      return instruction.mounts.map(({ options, range }) => {
        const from = options.findLast(({ key }) => key === 'from');
        return from?.value === undefined || from.value === '' ? { range } : { name: from.value, range: from.range };
      });
    default:
      return [];
  }
}

/** ONBUILD of a stage of this file or of an image. */
function triggersOf(base: Source): readonly string[] {
  if (base.kind === 'image') return base.base.config.config?.OnBuild ?? [];
  if (base.kind !== 'stage') return [];
  return base.stage.instructions.flatMap((instruction) => (instruction.kind === 'onbuild' ? instruction.trigger : []));
}

/** All of them, or the first failure in the order of the arguments, once everything has ended. */
async function inOrder<T extends readonly unknown[]>(...promises: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  const settled = await Promise.allSettled(promises);
  const values = settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value as unknown;
  });
  return values as unknown as T;
}
