/** Checks of a stage's instructions, which need its variables and its base. */
import { BuildError } from '../../core/errors.ts';
import { formatPlatform } from '../../core/platform.ts';
import { compareBytes } from '../../core/paths.ts';
import type { Place, Report } from '../../parser/lint/rules.ts';
import { expandWord, expandWords } from '../../parser/shell-words.ts';
import type { ExpandOptions } from '../../parser/shell-words.ts';
import type { Instruction, Word } from '../../parser/types.ts';
import type { ReachedStage, Step } from '../reach.ts';
import type { GlobalScope } from '../scope.ts';
import { isNotInEnvironment, StageScope } from '../scope.ts';
import { nearestName } from './from.ts';
import { checkCopied, checkPorts, checkSecret } from './instructions.ts';
import { expandedWords } from './words.ts';

export interface StageChecks {
  readonly globals: GlobalScope;
  readonly report: Report;
  /** Whether the ignore file takes a path away from the context; absent where there is no such file. */
  readonly isIgnored?: ((path: string) => boolean) | undefined;
}

/** What a stage leaves to one that is built on it. */
interface StageState {
  readonly scope: StageScope;
  /** Whether all that its base sets is known. */
  readonly isKnown: boolean;
  hasWorkdir: boolean;
  hasShell: boolean;
}

/** The stages in the order of the file. What cannot be expanded ends the checks; converting it tells why. */
export function checkStages(reached: readonly ReachedStage[], checks: StageChecks): void {
  const states = new Map<number, StageState>();
  try {
    for (const stage of reached) checkBase(stage, checks.report);
    for (const stage of reached) {
      const { base } = stage;
      const parent = base.kind === 'stage' ? states.get(base.stage.index) : undefined;
      const state = startOf(stage, checks.globals, parent);
      states.set(stage.stage.index, state);
      const checker = new StageChecker(stage, state, checks);
      for (const step of stage.steps) checker.check(step);
    }
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
  }
}

function checkBase({ stage, base }: ReachedStage, report: Report): void {
  if (base.kind !== 'image' || base.base.isUnknown === true || stage.base.kind !== 'image') return;
  const { os, architecture, variant } = base.base.config;
  const wanted = base.platform;
  if (os === wanted.os && architecture === wanted.architecture) return;
  const actual = formatPlatform({ os, architecture, ...(variant !== undefined && { variant }) });
  report(
    'InvalidBaseImagePlatform',
    stage.from,
    `Base image ${stage.base.name} was pulled with platform "${actual}", expected "${formatPlatform(wanted)}" for current build`,
  );
}

function startOf({ base }: ReachedStage, globals: GlobalScope, parent: StageState | undefined): StageState {
  if (parent !== undefined) return { ...parent, scope: new StageScope(globals, parent.scope) };
  const scope = new StageScope(globals);
  const config = base.kind === 'image' ? base.base.config.config : undefined;
  for (const variable of config?.Env ?? []) scope.setEnv(variable.split('=', 1)[0] ?? '', '');
  // Without a value of its own an image gets one.
  scope.setEnv('PATH', scope.lookup('PATH') ?? '');
  return {
    scope,
    isKnown: base.kind !== 'image' || base.base.isUnknown !== true,
    hasWorkdir: false,
    hasShell: (config?.Shell ?? []).length > 0,
  };
}

class StageChecker {
  readonly #stage: ReachedStage['stage'];
  readonly #state: StageState;
  readonly #checks: StageChecks;
  readonly #escape: ExpandOptions['escape'];
  /** The last CMD, ENTRYPOINT and HEALTHCHECK. */
  readonly #last = new Map<Instruction['kind'], Place>();

  constructor({ stage }: ReachedStage, state: StageState, checks: StageChecks) {
    this.#stage = stage;
    this.#state = state;
    this.#checks = checks;
    this.#escape = checks.globals.escape;
  }

  check(step: Step): void {
    const { instruction } = step;
    const { scope } = this.#state;
    const { report } = this.#checks;
    // A trigger is in no file of the user's.
    const place: Place = step.isTrigger ? { range: this.#stage.from.range } : instruction;
    for (const { word, isBody } of expandedWords(instruction)) this.#checkVariables(word, place, isBody);
    switch (instruction.kind) {
      case 'env':
        this.#checkLegacy(instruction, place);
        for (const [name, value] of instruction.pairs.map(
          ({ key, value: text }) => [this.#expand(key), this.#expand(text)] as const,
        )) {
          checkSecret('ENV', name, place, report);
          scope.setEnv(name, value);
        }
        return;
      case 'label':
        this.#checkLegacy(instruction, place);
        return;
      case 'arg':
        for (const { name, defaultValue } of instruction.args) {
          checkSecret('ARG', name.text, place, report);
          if (defaultValue && !this.#checks.globals.buildArgs.has(name.text))
            this.#checkVariables(defaultValue, place, false);
          scope.declareArg(name.text, defaultValue);
        }
        return;
      case 'workdir':
        this.#checkWorkdir(this.#expand(instruction.path), place);
        return;
      case 'shell':
        this.#state.hasShell = true;
        return;
      case 'cmd':
      case 'entrypoint':
        this.#checkOnce(instruction, place);
        if (instruction.command.kind === 'shell' && !this.#state.hasShell) {
          const message = `JSON arguments recommended for ${instruction.keyword} to prevent unintended behavior related to OS signals`;
          report('JSONArgsRecommended', place, message);
        }
        return;
      case 'healthcheck':
        this.#checkOnce(instruction, place);
        return;
      case 'expose': {
        const words = instruction.ports.toSorted((a, b) => compareBytes(a.text, b.text));
        checkPorts(
          words.flatMap((word) => this.#expandWords(word)),
          place,
          report,
        );
        return;
      }
      case 'copy':
      case 'add': {
        const paths = instruction.sources.flatMap((source) =>
          source.kind === 'path' ? this.#expand(source.word) : [],
        );
        const isFromContext = instruction.kind === 'add' || instruction.from === undefined;
        if (isFromContext) checkCopied(instruction.kind, paths, place, this.#checks);
        return;
      }
      default:
    }
  }

  #checkVariables(word: Word, place: Place, isBody: boolean): void {
    const { scope, isKnown } = this.#state;
    const options: ExpandOptions = isBody ? { escape: '\\', quotes: 'none' } : { escape: this.#escape };
    for (const name of expandWord(word, scope.lookup, options).unset) {
      if (scope.isDeclared(name) || isNotInEnvironment(name)) continue;
      const near = nearestName(name, scope.names());
      // What an unknown base sets is unknown too, so only what looks like a slip is one.
      if (!isKnown && (near === undefined || near.length < 3)) continue;
      const hint = near === undefined ? '' : ` (did you mean $${near}?)`;
      this.#checks.report('UndefinedVar', place, `Usage of undefined variable '$${name}'${hint}`);
    }
  }

  #checkLegacy({ keyword, legacy }: Extract<Instruction, { kind: 'env' | 'label' }>, place: Place): void {
    if (!legacy) return;
    const message = `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`;
    this.#checks.report('LegacyKeyValueFormat', place, message);
  }

  /** Only the first one: to make it absolute is enough. */
  #checkWorkdir(path: string, place: Place): void {
    if (!this.#state.hasWorkdir && !path.startsWith('/')) {
      const message = `Relative workdir "${path}" can have unexpected results if the base image changes`;
      this.#checks.report('WorkdirRelativePath', place, message);
    }
    this.#state.hasWorkdir = true;
  }

  /** Reports the one that has no effect. */
  #checkOnce({ kind, keyword }: Instruction, place: Place): void {
    const earlier = this.#last.get(kind);
    if (earlier !== undefined) {
      const message = `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`;
      this.#checks.report('MultipleInstructionsDisallowed', earlier, message);
    }
    this.#last.set(kind, place);
  }

  #expand(word: Word): string {
    return this.#state.scope.expand(word);
  }

  #expandWords(word: Word): readonly string[] {
    return expandWords(word, this.#state.scope.lookup, { escape: this.#escape }).words;
  }
}
