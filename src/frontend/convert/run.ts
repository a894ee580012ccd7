/** RUN. */
import { baseName, rootedPath } from '../../core/paths.ts';
import { expandWords } from '../../parser/shell-words.ts';
import type { Command, Heredoc, RunInstruction } from '../../parser/types.ts';
import type { ExecMount, ExecOp } from '../../solver/op.ts';
import { invalidHeredocName, notGranted, unsupportedDevice } from '../errors.ts';
import type { StageContext, StepContext } from './context.ts';
import { addVertex, stepText } from './context.ts';
import { commandArgs, inShell } from './meta.ts';
import { convertMounts, Inputs } from './mounts.ts';

/** What RUN's hostname is, so that it does not differ from machine to machine. */
const HOSTNAME = 'buildkitsandbox';
/** Where a script is that a heredoc of RUN holds. */
const SCRIPT_DIRECTORY = '/dev/pipes';

export function convertRun(step: StepContext, instruction: RunInstruction): void {
  const { stage } = step;
  const { draft, scope, options } = stage;
  const [device] = instruction.devices;
  if (device) throw unsupportedDevice(device.text, device);
  const inputs = new Inputs(stage.root);
  const heredoc = soleHeredoc(instruction.command);
  const script = heredoc?.content.startsWith('#!') === true ? addScript(step, heredoc, inputs) : undefined;
  const args = script ? inShell(draft, script.path) : runArgs(stage, instruction.command, heredoc);
  const mounts = convertMounts(step, instruction, inputs);
  const op: ExecOp = {
    kind: 'exec',
    args,
    env: environmentOf(scope.environment(), mounts),
    cwd: startDirectory(draft.workingDir),
    user: draft.user,
    hostname: options.buildArgs.get('BUILDKIT_SANDBOX_HOSTNAME') ?? HOSTNAME,
    network: networkOf(stage, instruction),
    security: securityOf(stage, instruction),
    mounts: [...(script ? [script.mount] : []), ...mounts],
    extraHosts: options.extraHosts ?? [],
    ...(options.shmSizeBytes !== undefined && { shmSizeBytes: options.shmSizeBytes }),
    ulimits: options.ulimits ?? [],
    platform: stage.platform,
  };
  const suffix = heredoc === undefined ? '' : ` (${firstLineOf(heredoc.content)})`;
  const name = stage.label.next(stepText(step, instruction, suffix));
  const declared = scope.argsForHistory();
  stage.root = addVertex(step, { op, inputs: inputs.vertices, name, range: instruction.range });
  const before = declared.length > 0 ? [`|${declared.length}`, ...declared] : [];
  draft.addHistory(`RUN ${[...before, ...args].join(' ')} # buildkit`, true);
}

/** Going to `/a/../b`, as WORKDIR may say, needs `/a` and makes it where it is missing. */
function startDirectory(workingDir: string): string {
  return /\/\.\.(?:\/|$)/.test(workingDir) ? workingDir : rootedPath(workingDir);
}

/** The heredoc of a command that is nothing but one heredoc. */
function soleHeredoc(command: Command): Heredoc | undefined {
  if (command.kind !== 'shell' || command.heredocs.length !== 1) return undefined;
  const [heredoc] = command.heredocs;
  const match = /^\d*<<-?(.*)$/s.exec(command.text.trim());
  if (match?.[1] === undefined || heredoc === undefined) return undefined;
  const rest = { text: match[1], range: heredoc.range };
  const { words } = expandWords(rest, () => undefined, { escape: '\\', quotes: 'keep', keepUnset: true });
  return words.length === 1 ? heredoc : undefined;
}

/** A heredoc alone is given to the shell as its script; else the shell gets the text with all bodies and reads them itself. */
function runArgs({ draft }: StageContext, command: Command, heredoc: Heredoc | undefined): readonly string[] {
  if (heredoc) return inShell(draft, heredoc.content);
  if (command.kind === 'exec' || command.heredocs.length === 0) return commandArgs(draft, command);
  const bodies = command.heredocs.map(({ content, name }) => `\n${content}${name}`);
  return inShell(draft, command.text + bodies.join(''));
}

/** A script with a `#!` line becomes a file, mounted where only this RUN sees it. */
function addScript(
  step: StepContext,
  heredoc: Heredoc,
  inputs: Inputs,
): { readonly path: string; readonly mount: ExecMount } {
  const name = baseName(rootedPath(heredoc.name));
  if (name === '') throw invalidHeredocName(heredoc.name, heredoc);
  const file = addVertex(step, {
    op: {
      kind: 'file',
      actions: [{ kind: 'mkfile', destination: '/', name, content: heredoc.content, mode: 0o755 }],
    },
    inputs: [step.stage.sources.scratch],
    name: '[internal] preparing inline document',
    range: heredoc.range,
  });
  const mount: ExecMount = {
    kind: 'bind',
    target: SCRIPT_DIRECTORY,
    input: inputs.add(file),
    source: '/',
    readonly: true,
  };
  return { path: `${SCRIPT_DIRECTORY}/${name}`, mount };
}

/** Where the first agent is, unless the Dockerfile says itself where to look. */
function environmentOf(env: readonly string[], mounts: readonly ExecMount[]): readonly string[] {
  const agent = mounts.find((mount) => mount.kind === 'ssh');
  if (agent === undefined || env.some((entry) => entry.startsWith('SSH_AUTH_SOCK='))) return env;
  return [...env, `SSH_AUTH_SOCK=${agent.target}`];
}

function networkOf({ options }: StageContext, { network }: RunInstruction): ExecOp['network'] {
  if (network?.value === 'host' && options.network !== 'host' && options.entitlements?.has('network.host') !== true) {
    throw notGranted('--network=host', 'network.host', network.range);
  }
  return network === undefined || network.value === 'default' ? options.network : network.value;
}

function securityOf({ options }: StageContext, { security }: RunInstruction): ExecOp['security'] {
  if (security?.value === 'insecure' && options.entitlements?.has('security.insecure') !== true) {
    throw notGranted('--security=insecure', 'security.insecure', security.range);
  }
  return security?.value ?? 'sandbox';
}

function firstLineOf(body: string): string {
  const [first = '', second] = body.trim().split(/\r?\n/, 2);
  return second === undefined ? first : `${first}...`;
}
