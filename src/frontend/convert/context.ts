/** What converting the instructions of one stage reads and changes. */
import { BuildError } from '../../core/errors.ts';
import type { Platform } from '../../core/platform.ts';
import { withoutPasswords } from '../../core/redact.ts';
import type { SourceRange } from '../../core/source.ts';
import type { Instruction, Word } from '../../parser/types.ts';
import type { GraphBuilder } from '../../solver/graph.ts';
import type { Op } from '../../solver/op.ts';
import type { Vertex } from '../../solver/types.ts';
import type { ImageDraft } from '../image-draft.ts';
import type { Source } from '../reach.ts';
import type { StageScope } from '../scope.ts';
import type { CompileOptions, CompileWarning, ResolvedBase } from '../types.ts';
import type { SourceVertices } from './sources.ts';
import type { StageLabel } from './stage-label.ts';

/** A stage that has been converted, as far as others can use it. */
export interface StageResult {
  /** Makes its file system. */
  readonly root: Vertex<Op>;
  readonly base: ResolvedBase | undefined;
  readonly platform: Platform;
  readonly draft: ImageDraft;
  readonly scope: StageScope;
}

export interface StageContext {
  readonly options: CompileOptions;
  readonly graph: GraphBuilder<Op>;
  readonly sources: SourceVertices;
  /** Grows. */
  readonly warnings: CompileWarning[];
  readonly draft: ImageDraft;
  readonly scope: StageScope;
  readonly label: StageLabel;
  /** Its steps are carried out anew. */
  readonly ignoresCache: boolean;
  /** What the stage is built for. */
  readonly platform: Platform;
  /** Whether this stage, not its base, has a CMD. */
  ownCmd: boolean;
  /** The file system so far. */
  root: Vertex<Op>;
}

/** An instruction being converted, with what its options refer to. */
export interface StepContext {
  readonly stage: StageContext;
  readonly isTrigger: boolean;
  readonly sources: readonly Source[];
}

/** Adds a vertex that this instruction makes, named after it. */
export function addVertex(
  { stage }: StepContext,
  init: { readonly op: Op; readonly inputs: readonly Vertex<Op>[]; readonly name: string; readonly range: SourceRange },
): Vertex<Op> {
  const { range, ...rest } = init;
  return stage.graph.add({ ...rest, locations: [range], ignoreCache: stage.ignoresCache });
}

/** The instruction, and a remark on it, as a person should see it in a step's name, with variables expanded: `COPY a /b`. */
export function stepText({ stage, isTrigger }: StepContext, instruction: Instruction, suffix = ''): string {
  const { kind, source, range } = instruction;
  const text = `${source.trimEnd()}${suffix}`;
  const line = displayText(stage, { text, range }, kind === 'run').replace(/^\S+/, (keyword) => keyword.toUpperCase());
  const shown = kind === 'add' ? withoutPasswords(line) : line;
  return `${isTrigger ? 'ONBUILD ' : ''}${shown}`;
}

/** RUN keeps its quotes and what only its shell knows. */
function displayText({ scope }: StageContext, word: Word, isRun: boolean): string {
  try {
    return scope.expandForDisplay(word, isRun);
  } catch (error) {
    // What a shell understands and the builder does not is shown as it is.
    if (error instanceof BuildError) return word.text;
    throw error;
  }
}
