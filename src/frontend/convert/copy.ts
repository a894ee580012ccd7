/** COPY, ADD and WORKDIR: what changes files without running anything. */
import { joinPath, rootedPath } from '../../core/paths.ts';
import { withoutPasswords } from '../../core/redact.ts';
import type { AddInstruction, CopyInstruction, Heredoc, WorkdirInstruction, Word } from '../../parser/types.ts';
import type { CopyAction, FileAction, ModeChange, Owner } from '../../solver/op.ts';
import { invalidHeredocName, invalidMode } from '../errors.ts';
import type { StepContext } from './context.ts';
import { addVertex, stepText } from './context.ts';
import { Inputs } from './mounts.ts';
import type { SourcePath } from './remote.ts';
import { readSources, remoteCopy } from './remote.ts';

type CopyLike = CopyInstruction | AddInstruction;

/** What all actions of one instruction have in common. */
interface Target {
  readonly destination: string;
  readonly owner?: Owner;
  readonly mode?: ModeChange;
}

export function convertCopy(step: StepContext, instruction: CopyLike): void {
  const { stage } = step;
  const { draft, scope, graph } = stage;
  const destination = scope.expand(instruction.destination);
  const chown = instruction.chown && scope.expand(instruction.chown);
  const chmod = instruction.chmod && scope.expand(instruction.chmod);
  const mode = chmod === undefined || chmod === '' ? undefined : parseMode(chmod, instruction.chmod ?? instruction);
  const target: Target = {
    destination: placeIn(draft.workingDir, destination),
    ...(chown !== undefined && chown !== '' && { owner: parseOwner(chown) }),
    ...(mode !== undefined && { mode }),
  };
  const paths = readSources(
    instruction,
    instruction.sources.flatMap((source) =>
      source.kind === 'path' ? { text: scope.expand(source.word), word: source.word } : [],
    ),
  );
  const heredocs = instruction.sources.flatMap((source) => (source.kind === 'heredoc' ? source.heredoc : []));
  if (instruction.sources.length > 1 && !target.destination.endsWith('/')) {
    const message = `Several sources need a directory to go to: write "${destination}/"`;
    stage.warnings.push({ message, range: instruction.destination.range });
  }
  const inputs = new Inputs(stage.root);
  const actions: FileAction[] = [
    ...paths.map((path) => copyAction(step, instruction, path, target, inputs)),
    ...heredocs.map((heredoc) => heredocAction(step, heredoc, target)),
  ];
  const text = stepText(step, instruction);
  const name = stage.label.next(text);
  const { range } = instruction;
  const file = addVertex(step, {
    op: { kind: 'file', actions, ...(instruction.link && { linked: true }) },
    inputs: inputs.vertices,
    name,
    range,
  });
  stage.root = instruction.link
    ? graph.add({
        op: { kind: 'merge' },
        inputs: [stage.root, file],
        name: stage.label.again(`LINK ${text}`),
        locations: [range],
      })
    : file;
  const words = [
    instruction.kind.toUpperCase(),
    ...(instruction.parents ? ['--parents'] : []),
    ...(chown === undefined || chown === '' ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined || chmod === '' ? [] : [`--chmod=${chmod}`]),
    // Unlike Docker, which shows the password to all who get the image.
    ...paths.map(({ text }) => (instruction.kind === 'add' ? withoutPasswords(text) : text)),
    ...heredocs.map(({ name: file }) => `<<${file}`),
    destination,
  ];
  draft.addHistory(`${words.join(' ')} # buildkit`, true);
}

/** Made with its missing parents; the user in force owns what is made. */
export function convertWorkdir(step: StepContext, instruction: WorkdirInstruction): void {
  const { stage } = step;
  const { draft, scope } = stage;
  const written = scope.expand(instruction.path);
  const path = joinPath(draft.workingDir, written);
  // An absolute path is put into the image as it is written.
  draft.workingDir = written.startsWith('/') ? written : path;
  // Another spelling of the root is a layer for Docker.
  const isRoot = draft.workingDir === '/';
  draft.addHistory(`WORKDIR ${draft.workingDir}`, !isRoot);
  if (isRoot) return;
  const owner = draft.user === '' ? {} : { owner: parseOwner(draft.user) };
  stage.root = addVertex(step, {
    op: { kind: 'file', actions: [{ kind: 'mkdir', path, mode: 0o755, ...owner }] },
    inputs: [stage.root],
    name: stage.label.next(stepText(step, instruction)),
    range: instruction.range,
  });
}

function copyAction(
  step: StepContext,
  instruction: CopyLike,
  { text, word, remote }: SourcePath,
  target: Target,
  inputs: Inputs,
): CopyAction {
  if (remote !== undefined && instruction.kind === 'add') {
    return remoteCopy(step, instruction, { text, word, remote }, target, inputs);
  }
  const [source] = step.sources;
  if (source === undefined) throw new Error(`${instruction.keyword} has no source`);
  const path = instruction.parents ? pivotedPath(text) : rootedPath(text);
  return {
    kind: 'copy',
    input: inputs.add(step.stage.sources.of(source)),
    selection: {
      source: path,
      wildcard: hasWildcard(path),
      exclude: instruction.exclude.map((pattern) => pattern.text),
    },
    ...target,
    parents: instruction.parents,
    unpack: instruction.kind === 'add' && (instruction.unpack ?? true),
    resetOwner: source.kind === 'local',
  };
}

/** `/./` says from where on the path is kept; it is the only one that stays. */
function pivotedPath(text: string): string {
  const pivot = text.indexOf('/./');
  if (pivot < 0) return rootedPath(text);
  const above = rootedPath(text.slice(0, pivot));
  const below = rootedPath(text.slice(pivot + 2));
  return above === '/' ? `/.${below}` : `${above}/.${below}`;
}

function heredocAction({ stage }: StepContext, heredoc: Heredoc, target: Target): FileAction {
  const { content, expand, range } = heredoc;
  const name = rootedPath(heredoc.name).slice(1);
  if (name === '' || name.includes('/')) throw invalidHeredocName(heredoc.name, heredoc);
  const { mode, ...place } = target;
  return {
    kind: 'mkfile',
    ...place,
    name,
    content: expand ? stage.scope.expandBody({ text: content, range }) : content,
    mode: 0o644,
    ...(mode !== undefined && { modeChange: mode }),
  };
}

/** Below the working directory unless absolute; a slash at the end, which asks for a directory, stays. */
function placeIn(workingDir: string, destination: string): string {
  const path = joinPath(workingDir, destination);
  const isDirectory = destination === '' || /(?:^|\/)\.?$/.test(destination);
  return isDirectory && path !== '/' ? `${path}/` : path;
}

function hasWildcard(path: string): boolean {
  return /^(?:[^*?[\\]|\\[^])*[*?[]/.test(path);
}

function parseOwner(text: string): Owner {
  const colon = text.indexOf(':');
  if (colon < 0) return { user: text };
  // An empty part is root, as in BuildKit, although `USER app:` has the group of app.
  return { user: text.slice(0, colon) || '0', group: text.slice(colon + 1) || '0' };
}

const CLAUSE = /^[ugoa]*(?:[-+=][rwxXstugo]*)+$/;

function parseMode(text: string, place: Pick<Word, 'range'>): ModeChange {
  if (/^0*[0-7]{1,4}$/.test(text)) return { kind: 'octal', mode: Number.parseInt(text, 8) };
  if (text.split(',').every((clause) => CLAUSE.test(clause))) return { kind: 'symbolic', clauses: text };
  throw invalidMode(text, place);
}
