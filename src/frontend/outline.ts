/** What a Dockerfile takes and offers, without building anything: the parameters of a target, and the targets there are. */
import { baseName, cleanPath } from '../core/paths.ts';
import type { SourceRange } from '../core/source.ts';
import { expandWord } from '../parser/shell-words.ts';
import type { Dockerfile, Instruction, RunInstruction, Word } from '../parser/types.ts';
import { readMountOptions } from './convert/mount-options.ts';
import { NamedContexts } from './contexts.ts';
import type { ReachedStage } from './reach.ts';
import { reachStages } from './reach.ts';
import { GlobalScope, StageScope } from './scope.ts';
import { findTarget, resolveStages, splitStages } from './stages.ts';
import type { CompileOptions } from './types.ts';

export interface OutlineArg {
  readonly name: string;
  readonly description?: string;
  /** What it is worth in this build; absent without default and build argument. */
  readonly value?: string;
  readonly range: SourceRange;
}

export interface OutlineMount {
  /** The ID of the secret, agent or cache. */
  readonly name: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

/** What the target and the stages that it needs take, in the order of the file, each name once. */
export interface Outline {
  /** Of the target stage, in lower case. */
  readonly name?: string;
  readonly description?: string;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
  readonly caches: readonly OutlineMount[];
}

export interface Target {
  /** In lower case. */
  readonly name?: string;
  readonly isDefault: boolean;
  readonly description?: string;
  /** What it is based on, as written. */
  readonly base: string;
  /** As written. */
  readonly platform?: string;
  readonly range: SourceRange;
}

export type OutlineOptions = Pick<
  CompileOptions,
  'resolveBase' | 'buildArgs' | 'target' | 'targetPlatform' | 'buildPlatform' | 'contexts'
>;

/** The stages of a file; only the text is looked at. */
export function listTargets(dockerfile: Dockerfile): readonly Target[] {
  const { stages } = splitStages(dockerfile);
  return stages.map(({ from }, index) => {
    const name = from.stageName?.value.toLowerCase();
    const description = describedAs(from, name);
    return {
      ...(name !== undefined && { name }),
      isDefault: index === stages.length - 1,
      ...(description !== undefined && { description }),
      base: from.image.text,
      ...(from.platform && { platform: from.platform.text }),
      range: from.range,
    };
  });
}

/** Throws as `compile` does for what is wrong with FROM, ARG and mounts, and `unknown-stage` for the target. */
export async function outlineOf(dockerfile: Dockerfile, options: OutlineOptions): Promise<Outline> {
  const contexts = new NamedContexts(options.contexts ?? new Map(), options.targetPlatform);
  const split = splitStages(dockerfile);
  const globals = new GlobalScope({
    ...options,
    targetName: options.target ?? split.stages.at(-1)?.from.stageName?.value.toLowerCase(),
    escape: dockerfile.directives.escape,
  });
  const outliner = new Outliner(globals);
  for (const instruction of split.globalArgs) outliner.declareGlobal(instruction);
  const stages = resolveStages(split.stages, globals, contexts, options.buildPlatform);
  const target = findTarget(stages, options.target);
  const { resolveBase, targetPlatform } = options;
  const reached = await reachStages([target], { stages, contexts, resolveBase, targetPlatform });
  for (const stage of reached) outliner.add(stage);
  const description = describedAs(target.from, target.name);
  return {
    ...(target.name !== undefined && { name: target.name }),
    ...(description !== undefined && { description }),
    ...outliner.outline(),
  };
}

type Parameters = Omit<Outline, 'name' | 'description'>;

class Outliner {
  readonly #globals: GlobalScope;
  readonly #globalArgs = new Map<string, OutlineArg & { readonly uses: ReadonlySet<string> }>();
  readonly #scopes = new Map<number, StageScope>();
  /** By name. Stages come in the order of the file, and the nearest to the target counts. */
  readonly #args = new Map<string, OutlineArg>();
  readonly #secrets = new Map<string, OutlineMount>();
  readonly #ssh = new Map<string, OutlineMount>();
  readonly #caches = new Map<string, OutlineMount>();

  constructor(globals: GlobalScope) {
    this.#globals = globals;
  }

  outline(): Parameters {
    return {
      args: inOrderOfFile(this.#args),
      secrets: inOrderOfFile(this.#secrets),
      ssh: inOrderOfFile(this.#ssh),
      caches: inOrderOfFile(this.#caches),
    };
  }

  declareGlobal(instruction: Extract<Instruction, { kind: 'arg' }>): void {
    // What a default uses is looked at before the line changes it.
    for (const argument of instruction.args) {
      const isGiven = this.#globals.buildArgs.has(argument.name.text);
      const uses = argument.defaultValue && !isGiven ? this.#used(argument.defaultValue) : new Set<string>();
      this.#globals.declare({ ...instruction, args: [argument] });
      const name = argument.name.text;
      this.#globalArgs.set(name, { ...argOf(instruction, name, this.#globals.lookup(name)), uses });
    }
  }

  add({ stage, base, steps }: ReachedStage): void {
    for (const word of [stage.from.image, stage.from.platform])
      if (word) for (const name of this.#used(word)) this.#useGlobal(name);
    const scope = new StageScope(this.#globals, base.kind === 'stage' ? this.#scopes.get(base.stage.index) : undefined);
    this.#scopes.set(stage.index, scope);
    if (base.kind === 'image') {
      for (const variable of base.base.config.config?.Env ?? []) {
        const equals = variable.indexOf('=');
        scope.setEnv(variable.slice(0, equals), variable.slice(equals + 1));
      }
    }
    for (const { instruction } of steps) this.#addInstruction(instruction, scope);
  }

  #addInstruction(instruction: Instruction, scope: StageScope): void {
    switch (instruction.kind) {
      case 'env':
        for (const [name, value] of instruction.pairs.map(
          ({ key, value: text }) => [scope.expand(key), scope.expand(text)] as const,
        ))
          scope.setEnv(name, value);
        return;
      case 'arg':
        for (const { name, defaultValue } of instruction.args) {
          const value = scope.declareArg(name.text, defaultValue);
          const isInherited =
            defaultValue === undefined && !this.#globals.buildArgs.has(name.text) && value !== undefined;
          if (isInherited) this.#useGlobal(name.text);
          else this.#args.set(name.text, argOf(instruction, name.text, value));
        }
        return;
      case 'run':
        this.#addMounts(instruction, scope);
        return;
      default:
    }
  }

  #addMounts({ mounts, range }: RunInstruction, scope: StageScope): void {
    for (const flag of mounts) {
      const { type, id, source, target, required = false } = readMountOptions(flag, scope);
      const ids = [id].filter((text) => text !== undefined && text !== '');
      if (type === 'secret') {
        const name = [source, ...ids].find((text) => text !== undefined && text !== '') ?? baseName(target ?? '');
        this.#secrets.set(name, { name, required, range });
      } else if (type === 'ssh') {
        const name = ids[0] ?? 'default';
        this.#ssh.set(name, { name, required, range });
      } else if (type === 'cache') {
        const name = ids[0] ?? cleanPath(target ?? '');
        this.#caches.set(name, { name, required: false, range });
      }
    }
  }

  /** A global argument that is used, and what its default is made of; the platform's are nobody's parameters. */
  #useGlobal(name: string): void {
    const argument = this.#globalArgs.get(name);
    if (argument === undefined || this.#args.get(name)?.range === argument.range) return;
    const { uses, ...shown } = argument;
    this.#args.set(name, shown);
    for (const used of uses) this.#useGlobal(used);
  }

  /** Names of set global variables in a word. */
  #used(word: Word): ReadonlySet<string> {
    const names = new Set<string>();
    const lookup = (name: string): string | undefined => {
      const value = this.#globals.lookup(name);
      if (value !== undefined) names.add(name);
      return value;
    };
    expandWord(word, lookup, { escape: this.#globals.escape });
    return names;
  }
}

function argOf(instruction: Instruction, name: string, value: string | undefined): OutlineArg {
  const description = describedAs(instruction, name);
  return {
    name,
    ...(description !== undefined && { description }),
    ...(value !== undefined && { value }),
    range: instruction.range,
  };
}

/** What the comment above says of `name`: the first line that begins with it. */
function describedAs({ docComment }: Pick<Instruction, 'docComment'>, name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const line = docComment?.split('\n').find((text) => text.startsWith(`${name} `));
  return line?.slice(name.length + 1);
}

function inOrderOfFile<T extends { readonly range: SourceRange }>(named: ReadonlyMap<string, T>): readonly T[] {
  return [...named.values()].toSorted((a, b) => a.range.start.line - b.range.start.line);
}
