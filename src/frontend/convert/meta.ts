/** Instructions that only change the image's configuration. */
import { compareBytes } from '../../core/paths.ts';
import type { HealthConfig } from '../../oci/types.ts';
import type {
  CmdInstruction,
  Command,
  EntrypointInstruction,
  ExposeInstruction,
  HealthcheckInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  ShellInstruction,
  StopsignalInstruction,
  UserInstruction,
  VolumeInstruction,
} from '../../parser/types.ts';
import { emptyVolume, invalidSignal } from '../errors.ts';
import { goDuration, goList, goQuote, goQuoteList, goQuoteRune } from '../go-format.ts';
import type { ImageDraft } from '../image-draft.ts';
import type { StageContext } from './context.ts';
import { parsePorts } from './ports.ts';
import { isSignal, SIGNAL_NAMES } from './signals.ts';

const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

/** The words of a command, a shell form wrapped in the shell that is in force. */
export function commandArgs(draft: ImageDraft, command: Command): readonly string[] {
  return command.kind === 'exec' ? command.args : inShell(draft, command.text);
}

export function inShell(draft: ImageDraft, text: string): readonly string[] {
  return [...(draft.shell.length > 0 ? draft.shell : DEFAULT_SHELL), text];
}

export function convertCmd(stage: StageContext, { command }: CmdInstruction): void {
  const { draft } = stage;
  const args = commandArgs(draft, command);
  draft.cmd = args;
  draft.argsEscaped = true;
  stage.ownCmd = true;
  draft.addHistory(`CMD ${goQuoteList(args)}`, false);
}

/** A CMD that was inherited was meant for the old entry point. */
export function convertEntrypoint({ draft, ownCmd }: StageContext, { command }: EntrypointInstruction): void {
  const args = commandArgs(draft, command);
  draft.entrypoint = args;
  if (!ownCmd) draft.cmd = [];
  draft.addHistory(`ENTRYPOINT ${goQuoteList(args)}`, false);
}

export function convertShell({ draft }: StageContext, { args }: ShellInstruction): void {
  draft.shell = args;
  draft.addHistory(`SHELL ${goList(args)}`, false);
}

export function convertUser({ draft, scope }: StageContext, instruction: UserInstruction): void {
  draft.user = scope.expand(instruction.user);
  draft.addHistory(`USER ${draft.user}`, false);
}

export function convertExpose({ draft, scope }: StageContext, instruction: ExposeInstruction): void {
  // Docker sorts them as they are written.
  const words = instruction.ports.toSorted((a, b) => compareBytes(a.text, b.text));
  const ports = words.flatMap((word) => scope.expandWords(word).flatMap((text) => parsePorts(text, word)));
  for (const port of ports) draft.exposedPorts.add(port);
  draft.addHistory(`EXPOSE ${goList(ports)}`, false);
}

export function convertVolume({ draft, scope }: StageContext, instruction: VolumeInstruction): void {
  const paths = instruction.paths.map((word) => {
    const path = scope.expand(word);
    if (path === '') throw emptyVolume(word);
    return path;
  });
  for (const path of paths) draft.volumes.add(path);
  draft.addHistory(`VOLUME ${goList(paths)}`, false);
}

export function convertStopsignal({ draft, scope }: StageContext, instruction: StopsignalInstruction): void {
  const signal = scope.expand(instruction.signal);
  if (!isSignal(signal)) throw invalidSignal(signal, SIGNAL_NAMES, instruction.signal);
  draft.stopSignal = signal;
  draft.addHistory(`STOPSIGNAL ${signal}`, false);
}

export function convertMaintainer({ draft }: StageContext, { name }: MaintainerInstruction): void {
  draft.author = name;
  draft.addHistory(`MAINTAINER ${name}`, false);
}

/** Docker keeps no history of it. */
export function convertOnbuild({ draft }: StageContext, { trigger }: OnbuildInstruction): void {
  draft.onBuild.push(trigger);
}

export function convertHealthcheck({ draft }: StageContext, { check }: HealthcheckInstruction): void {
  const health: HealthConfig =
    check.kind === 'none'
      ? { Test: ['NONE'] }
      : {
          Test: check.command.kind === 'exec' ? ['CMD', ...check.command.args] : ['CMD-SHELL', check.command.text],
          ...(check.intervalNs !== undefined && { Interval: check.intervalNs }),
          ...(check.timeoutNs !== undefined && { Timeout: check.timeoutNs }),
          ...(check.startPeriodNs !== undefined && { StartPeriod: check.startPeriodNs }),
          ...(check.startIntervalNs !== undefined && { StartInterval: check.startIntervalNs }),
          ...(check.retries !== undefined && { Retries: check.retries }),
        };
  draft.healthcheck = health;
  draft.addHistory(`HEALTHCHECK ${formatHealth(health)}`, false);
}

/** Docker prints the structure with `%q`, numbers included. */
function formatHealth(health: HealthConfig): string {
  const times = [health.Interval, health.Timeout, health.StartPeriod, health.StartInterval];
  const quoted = times.map((time) => goQuote(goDuration(time ?? 0)));
  return `&{${goQuoteList(health.Test ?? [])} ${quoted.join(' ')} ${goQuoteRune(health.Retries ?? 0)}}`;
}
