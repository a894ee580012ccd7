/** One stage: its base, then its instructions in order. */
import { unreachable } from '../../core/exhaustive.ts';
import { rootedPath } from '../../core/paths.ts';
import type { GraphBuilder } from '../../solver/graph.ts';
import type { Op } from '../../solver/op.ts';
import type { Vertex } from '../../solver/types.ts';
import { ImageDraft } from '../image-draft.ts';
import type { ReachedStage, Step } from '../reach.ts';
import type { GlobalScope } from '../scope.ts';
import { StageScope } from '../scope.ts';
import type { CompileOptions, CompileWarning, ResolvedBase } from '../types.ts';
import type { StageContext, StageResult, StepContext } from './context.ts';
import { convertCopy, convertWorkdir } from './copy.ts';
import { convertArg, convertEnv, convertLabel } from './env.ts';
import {
  convertCmd,
  convertEntrypoint,
  convertExpose,
  convertHealthcheck,
  convertMaintainer,
  convertOnbuild,
  convertShell,
  convertStopsignal,
  convertUser,
  convertVolume,
} from './meta.ts';
import { convertRun } from './run.ts';
import type { SourceVertices } from './sources.ts';
import { StageLabel } from './stage-label.ts';

/** What the stages of one build share. */
export interface BuildContext {
  readonly options: CompileOptions;
  readonly graph: GraphBuilder<Op>;
  readonly sources: SourceVertices;
  readonly globals: GlobalScope;
  /** Grows. */
  readonly warnings: CompileWarning[];
  /** The result of a stage that has been converted. */
  resultOf(index: number): StageResult;
  /** Stages of the file, and other sources that steps name; where there is but one, steps do not name it. */
  readonly sourceCount: number;
}

export function convertStage(build: BuildContext, reached: ReachedStage): StageResult {
  const start = startOf(build, reached);
  const { draft, scope, label, base, platform } = start;
  // What the base's ENV says wins again over an ARG of the stage it was set in.
  for (const [name, value] of draft.environment()) if (scope.lookup(name) !== value) scope.setEnv(name, value);
  if (draft.workingDir !== '' && !draft.workingDir.startsWith('/')) draft.workingDir = rootedPath(draft.workingDir);
  const { options, graph, sources, warnings } = build;
  const stage: StageContext = {
    options,
    graph,
    sources,
    warnings,
    draft,
    scope,
    label,
    ignoresCache: ignoresCache(options, reached.stage.name),
    platform,
    ownCmd: false,
    root: start.root,
  };
  for (const step of reached.steps) convertStep({ stage, ...step }, step);
  return { root: stage.root, base, platform, draft, scope };
}

function ignoresCache({ noCache, noCacheStages = [] }: CompileOptions, name: string | undefined): boolean {
  return noCache || noCacheStages.some((wanted) => wanted.toLowerCase() === name);
}

interface StageStart {
  readonly root: Vertex<Op>;
  readonly base: ResolvedBase | undefined;
  readonly platform: StageResult['platform'];
  readonly draft: ImageDraft;
  readonly scope: StageScope;
  readonly label: StageLabel;
}

function startOf(build: BuildContext, { stage, base, steps }: ReachedStage): StageStart {
  const { targetPlatform } = build.options;
  const stageName = build.sourceCount === 1 ? '' : (stage.name ?? `stage-${stage.index}`);
  const named = steps.filter(({ instruction }) => ['run', 'copy', 'add', 'workdir'].includes(instruction.kind)).length;
  switch (base.kind) {
    case 'stage': {
      const parent = build.resultOf(base.stage.index);
      return {
        root: parent.root,
        base: parent.base,
        platform: parent.platform,
        draft: ImageDraft.continuing(parent.draft),
        scope: new StageScope(build.globals, parent.scope),
        label: new StageLabel(stageName, named),
      };
    }
    case 'image': {
      const label = new StageLabel(stageName, named + 1);
      const root = build.sources.named(base, label.next(`FROM ${baseTitle(base.base)}`), stage.from.range);
      const draft = ImageDraft.from(base.base.config);
      const scope = new StageScope(build.globals);
      return { root, base: base.base, platform: base.platform, draft, scope, label };
    }
    case 'scratch':
    case 'local':
      return {
        root: base.kind === 'scratch' ? build.sources.scratch : build.sources.copied(base, stage.from.range),
        base: undefined,
        platform: targetPlatform,
        draft: ImageDraft.empty(targetPlatform),
        scope: new StageScope(build.globals),
        label: new StageLabel(stageName, named),
      };
    default:
      return unreachable(base);
  }
}

function baseTitle({ reference, manifest }: ResolvedBase): string {
  return reference.includes('@') ? reference : `${reference}@${manifest}`;
}

function convertStep(context: StepContext, { instruction }: Step): void {
  const { stage } = context;
  switch (instruction.kind) {
    case 'from':
      throw new Error('FROM begins a stage');
    case 'arg':
      return convertArg(stage, instruction);
    case 'env':
      return convertEnv(stage, instruction);
    case 'label':
      return convertLabel(stage, instruction);
    case 'run':
      return convertRun(context, instruction);
    case 'copy':
    case 'add':
      return convertCopy(context, instruction);
    case 'workdir':
      return convertWorkdir(context, instruction);
    case 'user':
      return convertUser(stage, instruction);
    case 'cmd':
      return convertCmd(stage, instruction);
    case 'entrypoint':
      return convertEntrypoint(stage, instruction);
    case 'shell':
      return convertShell(stage, instruction);
    case 'expose':
      return convertExpose(stage, instruction);
    case 'volume':
      return convertVolume(stage, instruction);
    case 'stopsignal':
      return convertStopsignal(stage, instruction);
    case 'healthcheck':
      return convertHealthcheck(stage, instruction);
    case 'onbuild':
      return convertOnbuild(stage, instruction);
    case 'maintainer':
      return convertMaintainer(stage, instruction);
    default:
      return unreachable(instruction);
  }
}
