/** The way in: a parsed Dockerfile and what was asked for, to a plan. */
import { suggest } from '../core/suggest.ts';
import { checkOptionsOf } from '../parser/lint/options.ts';
import { checkSyntax } from '../parser/lint/syntax.ts';
import type { Dockerfile } from '../parser/types.ts';
import { GraphBuilder } from '../solver/graph.ts';
import type { Op } from '../solver/op.ts';
import { Findings } from './checks/findings.ts';
import { checkFroms } from './checks/from.ts';
import { checkStages } from './checks/stage.ts';
import { NamedContexts } from './contexts.ts';
import type { StageResult } from './convert/context.ts';
import { SourceVertices } from './convert/sources.ts';
import type { BuildContext } from './convert/stage.ts';
import { convertStage } from './convert/stage.ts';
import type { ImageDraft } from './image-draft.ts';
import { checkLanguage, sourceDateEpoch } from './language.ts';
import type { ReachedStage } from './reach.ts';
import { reachStages } from './reach.ts';
import type { GlobalScopeOptions } from './scope.ts';
import { GlobalScope, isPredefined, proxyEnvironment } from './scope.ts';
import type { Stage } from './stages.ts';
import { checkCopySources, findTarget, resolveStages, splitStages, stageNames } from './stages.ts';
import type { BuildPlan, CompileOptions, CompileWarning } from './types.ts';

/**
 * Compiles the target stage. Base images are resolved through `options.resolveBase` and nothing else is read; what the target does not
 * need is not resolved, though its FROM lines must expand. Throws `BuildError` of the Dockerfile's codes and of the resolver's, and
 * `check-failed` where the Dockerfile wants it.
 */
export async function compile(dockerfile: Dockerfile, options: CompileOptions): Promise<BuildPlan> {
  const epochMs = sourceDateEpoch(options.buildArgs);
  const remarks = checkLanguage(dockerfile, options.buildArgs);
  const contexts = new NamedContexts(options.contexts ?? new Map(), options.targetPlatform);
  const split = splitStages(dockerfile);
  const findings = new Findings(checkOptionsOf(dockerfile.directives, options.buildArgs), options.onFinding);
  const { report } = findings;
  checkSyntax(dockerfile, report);
  const scopeOptions: GlobalScopeOptions = {
    buildArgs: options.buildArgs,
    targetPlatform: options.targetPlatform,
    buildPlatform: options.buildPlatform,
    targetName: options.target ?? split.stages.at(-1)?.from.stageName?.value.toLowerCase(),
    escape: dockerfile.directives.escape,
  };
  const globals = new GlobalScope(scopeOptions);
  for (const instruction of split.globalArgs) globals.declare(instruction);
  const froms = split.stages.map(({ from }) => from);
  checkFroms({ globalArgs: split.globalArgs, froms, globals, scopeOptions, report });
  const stages = resolveStages(split.stages, globals, contexts, options.buildPlatform);
  const target = findTarget(stages, options.target);
  checkCopySources(stages);
  const { resolveBase, targetPlatform } = options;
  const reached = await reachStages(options.allStages === true ? stages : [target], {
    stages,
    contexts,
    resolveBase,
    targetPlatform,
  });
  checkStages(reached, { globals, report, isIgnored: options.isIgnored });
  const warnings: CompileWarning[] = [];
  const result = convertAll(reached, { sourceCount: stages.length, globals, options, warnings });
  findings.refuse();
  const { draft } = result;
  for (const [name, value] of options.labels) draft.labels.set(name, value);
  if (options.platformRequested === true) draft.platform = requestedPlatform(draft, options);
  return {
    root: result.root,
    ...(result.base !== undefined && { base: result.base, basePlatform: result.platform }),
    platform: draft.platform,
    config: draft.toConfig(),
    history: draft.history,
    ...(epochMs !== undefined && { epochMs }),
    proxyEnv: proxyEnvironment(options.buildArgs),
    warnings: [
      ...findings.found,
      ...remarks,
      ...unknownStages(stages, options.noCacheStages ?? []),
      ...warnings,
      ...unusedArgs(dockerfile, reached, options.buildArgs),
    ],
  };
}

/** Converts the stages in an order in which nothing comes before what it needs; the last one is the target. */
function convertAll(
  reached: readonly ReachedStage[],
  shared: Pick<BuildContext, 'sourceCount' | 'globals' | 'options' | 'warnings'>,
): StageResult {
  const graph = new GraphBuilder<Op>();
  const results = new Map<number, StageResult>();
  const resultOf = (index: number): StageResult => {
    const result = results.get(index);
    if (result === undefined) throw new Error(`Stage ${index} is used before it is converted`);
    return result;
  };
  const sources = new SourceVertices(graph, (index) => resultOf(index).root);
  const steps = reached.flatMap((stage) => stage.steps);
  // As Docker counts: a mount is a source whatever it mounts.
  const others = steps.flatMap(({ instruction, sources: used }) =>
    instruction.kind === 'run' ? used : used.filter(({ kind }) => kind === 'image'),
  );
  const build = { ...shared, graph, sources, resultOf, sourceCount: shared.sourceCount + others.length };
  for (const stage of reached) results.set(stage.stage.index, convertStage(build, stage));
  return resultOf(reached.at(-1)?.stage.index ?? -1);
}

/** A variant of the base stays where the request has none and means the same processor. */
function requestedPlatform(draft: ImageDraft, { targetPlatform }: CompileOptions): BuildPlan['platform'] {
  const { os, architecture, variant } = draft.platform;
  const isSame = os === targetPlatform.os && architecture === targetPlatform.architecture;
  return isSame && targetPlatform.variant === undefined && variant !== undefined ? draft.platform : targetPlatform;
}

function unknownStages(stages: readonly Stage[], wanted: readonly string[]): CompileWarning[] {
  const names = stageNames(stages);
  return wanted.flatMap((name) => {
    if (names.includes(name.toLowerCase())) return [];
    const nearest = suggest(name, names);
    const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    return [{ message: `No stage is called "${name}", whose cache is not to be used${hint}` }];
  });
}

/** Build arguments that no ARG of the file, or of a trigger that runs, takes: probably misspelt. */
function unusedArgs(
  dockerfile: Dockerfile,
  reached: readonly ReachedStage[],
  buildArgs: ReadonlyMap<string, string>,
): CompileWarning[] {
  const triggers = reached.flatMap(({ steps }) => steps.map(({ instruction }) => instruction));
  const declared = [...dockerfile.instructions, ...triggers].flatMap((instruction) =>
    instruction.kind === 'arg' ? instruction.args.map(({ name }) => name.text) : [],
  );
  return [...buildArgs.keys()].flatMap((name) => {
    if (declared.includes(name) || isPredefined(name)) return [];
    const nearest = suggest(name, declared);
    const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    return [{ message: `The build argument "${name}" is used by no ARG${hint}` }];
  });
}
