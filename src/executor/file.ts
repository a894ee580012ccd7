/** COPY, ADD, WORKDIR and heredocs: one new layer, written on top of the stack that it changes. */
import { throwIfAborted } from '../core/errors.ts';
import { unreachable } from '../core/exhaustive.ts';
import { cleanPath } from '../core/paths.ts';
import { LocalTree } from '../context/local.ts';
import type { FileTree } from '../core/tree.ts';
import type { RootfsSpec } from '../runtime-native/types.ts';
import type { ActiveSnapshot, Snapshot } from '../snapshot/types.ts';
import type { CopyAction, FileAction, FileOp, Op } from '../solver/op.ts';
import type { OpContext, Vertex } from '../solver/types.ts';
import { placeOf, selectForCopy } from './content.ts';
import { copySource, newDirectory, prepareTarget } from './copy.ts';
import { Destination } from './destination.ts';
import { compileModeChange } from './mode-change.ts';
import type { Ids } from './owner.ts';
import { resolveOwner, ROOT } from './owner.ts';
import type { ResultReader } from './results.ts';
import type { SelectedSource } from './selection.ts';
import type { CopiedSources } from './source-check.ts';
import { checkUnchanged } from './source-check.ts';
import type { BuildResult, ExecutorDeps } from './types.ts';

export interface FileOpServices {
  readonly deps: Pick<ExecutorDeps, 'snapshots' | 'files'>;
  readonly reader: ResultReader;
}

/** Carries out the actions in order. Nothing is left behind if one fails. */
export async function executeFileOp(
  vertex: Vertex<Op>,
  op: FileOp,
  inputs: readonly BuildResult[],
  services: FileOpServices,
  context: OpContext,
): Promise<BuildResult> {
  const [root] = inputs;
  if (root === undefined) throw new Error('A file operation needs a root');
  const { deps, reader } = services;
  const { signal } = context;
  const lower = await reader.layers(root, context);
  const base = await reader.tree(root, context);
  await using active = await deps.snapshots.prepare();
  {
    const files = await deps.files();
    await using writer = files.openWriter(rootOf(lower, active), { signal });
    const destination = new Destination(base, writer);
    const copied: CopiedSources[] = [];
    await performActions(op, { vertex, inputs, reader, base, destination, context, copied });
    await writer.close();
    checkUnchanged(copied, signal);
  }
  const snapshot = await active.commit();
  const below = op.linked === true ? [] : lower.map(({ id }) => id);
  return { kind: 'layers', layers: [...below, snapshot.id] };
}

/** Where nothing is below, the layer is the file system: no need to mount anything. */
function rootOf(lower: readonly Snapshot[], { upper, work }: ActiveSnapshot): RootfsSpec {
  if (lower.length === 0) return { kind: 'directory', path: upper };
  return { kind: 'overlay', lower: lower.map(({ dir }) => dir), upper, work, volatile: true };
}

export interface ActionContext {
  readonly vertex: Vertex<Op>;
  readonly inputs: readonly BuildResult[];
  readonly reader: Pick<ResultReader, 'tree'>;
  /** The file system before the operation, where names of owners are looked up. */
  readonly base: FileTree;
  readonly destination: Destination;
  readonly context: OpContext;
  /** Gets what was copied from the client. */
  readonly copied: CopiedSources[];
}

/** Carries out the actions in order on `destination`. */
export async function performActions(op: FileOp, actions: ActionContext): Promise<void> {
  for (const action of op.actions) {
    throwIfAborted(actions.context.signal);
    await perform(action, actions);
  }
}

async function perform(action: FileAction, actions: ActionContext): Promise<void> {
  const warn = (name: string, file: string): void =>
    actions.context.log('stderr', Buffer.from(`Warning: "${name}" is not in ${file} of the image\n`));
  const owner = action.owner === undefined ? undefined : resolveOwner(actions.base, action.owner, warn);
  switch (action.kind) {
    case 'copy':
      return copy(action, owner, actions);
    case 'mkdir': {
      const made = { mode: action.mode, ...(owner ?? ROOT) };
      return actions.destination.makeDirectories(actions.destination.resolve(cleanPath(`/${action.path}`)), made);
    }
    case 'mkfile':
      return makeFile(action, owner, actions.destination);
    default:
      return unreachable(action);
  }
}

async function copy(action: CopyAction, owner: Ids | undefined, actions: ActionContext): Promise<void> {
  const { context, destination, vertex } = actions;
  const input = actions.inputs[action.input];
  if (input === undefined) throw new Error(`A copy from input ${action.input}, which does not exist`);
  const tree = await actions.reader.tree(input, context);
  const place = placeOf(vertex, action.input);
  const sources = selectForCopy(tree, action, place, context.signal);
  if (tree instanceof LocalTree) actions.copied.push({ tree, place, sources });
  const copyContext = { tree, destination, owner, signal: context.signal };
  for (const source of sources) {
    if (action.unpack && isRegularFile(source)) {
      const { unpackArchive } = await import('./archive.ts');
      if (await unpackArchive(action, source, copyContext)) continue;
    }
    await copySource(action, source, copyContext);
  }
}

function isRegularFile(source: SelectedSource): boolean {
  return source.entries[0]?.entry.type === 'file';
}

/** A heredoc goes where a copied file of its name would go. */
async function makeFile(
  action: FileAction & { kind: 'mkfile' },
  owner: Ids | undefined,
  destination: Destination,
): Promise<void> {
  const made = newDirectory(action.modeChange, owner);
  const path = await prepareTarget(action.destination, { isDirectory: false, name: action.name }, made, destination);
  const mode =
    action.modeChange === undefined
      ? action.mode
      : compileModeChange(action.modeChange)({ mode: action.mode, isDirectory: false });
  await destination.file(path, { mode, ...(owner ?? ROOT) }, { kind: 'bytes', data: Buffer.from(action.content) });
}
