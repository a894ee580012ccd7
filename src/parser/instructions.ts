/** Syntax to typed instructions: one function for each, with Docker's rules for flags and numbers of arguments. */
import type { CommandForm, Syntax, Token } from '../../grammar/syntax.ts';
import type { SourceRange } from '../core/source.ts';
import type { LogicalLine } from './lines.ts';
import type {
  AddInstruction,
  ArgInstruction,
  Command,
  CopyInstruction,
  CopySource,
  EnvInstruction,
  ExposeInstruction,
  FromInstruction,
  HealthcheckInstruction,
  Heredoc,
  Instruction,
  KeyValue,
  LabelInstruction,
  OnbuildInstruction,
  RunInstruction,
  ShellInstruction,
  VolumeInstruction,
  Word,
} from './types.ts';

import { unreachable } from '../core/exhaustive.ts';
import {
  blankName,
  emptyPath,
  heredocDestination,
  invalidStageName,
  missingArgument,
  notJson,
  variableInFrom,
} from './errors.ts';
import { Flags } from './flags.ts';
import { parseMount } from './mounts.ts';

/** A heredoc with its body as it is in the file, which ONBUILD stores. */
export interface HeredocBody {
  readonly heredoc: Heredoc;
  readonly raw: string;
}

/** What each function below works from. */
interface Source<S extends Syntax = Syntax> {
  readonly line: LogicalLine;
  readonly syntax: S;
  readonly bodies: readonly HeredocBody[];
  readonly flags: Flags;
  readonly common: Pick<Instruction, 'range' | 'keyword' | 'source' | 'docComment'>;
}

type SourceOf<K extends Syntax['kind']> = Source<Extract<Syntax, { readonly kind: K }>>;

/** `bodies` are those of the line's heredoc markers, in order. Errors: `BuildError` for wrong flags and arguments. */
export function toInstruction(line: LogicalLine, syntax: Syntax, bodies: readonly HeredocBody[]): Instruction {
  const { keyword } = syntax;
  const range = line.range(keyword.offset, line.text.trimEnd().length);
  const end = bodies.at(-1)?.heredoc.range.end ?? range.end;
  const common = {
    range: { ...range, end },
    keyword: keyword.text,
    source: line.text.trimStart(),
    ...(line.comments !== undefined && { docComment: line.comments }),
  };
  const source = { line, bodies, flags: new Flags(keyword, syntax.flags, line), common };
  switch (syntax.kind) {
    case 'from':
      return toFrom({ ...source, syntax });
    case 'command':
      return toCommandInstruction({ ...source, syntax });
    case 'list':
      return toListInstruction({ ...source, syntax });
    case 'pairs':
    case 'legacy':
      return toPairs({ ...source, syntax });
    case 'arg':
      return toArg({ ...source, syntax });
    case 'scalar':
      return toScalar({ ...source, syntax });
    case 'none':
    case 'check':
      return toHealthcheck({ ...source, syntax });
    case 'onbuild':
      return toOnbuild({ ...source, syntax });
    default:
      return unreachable(syntax);
  }
}

function toFrom({ common, flags, line, syntax }: SourceOf<'from'>): FromInstruction {
  const { image, as, name } = syntax;
  const stageName = name && { value: name.text, range: tokenRange(line, name) };
  if (stageName && !/^[a-z][a-z0-9\-_.]*$/i.test(stageName.value))
    throw invalidStageName(stageName.value, stageName.range);
  return {
    kind: 'from',
    ...common,
    ...present('platform', flags.word('platform')),
    image: toWord(line, image),
    ...present('stageName', stageName),
    ...present('asKeyword', as?.text),
  };
}

function toCommandInstruction(source: SourceOf<'command'>): Instruction {
  const { common, line, syntax } = source;
  switch (nameOf(syntax.keyword)) {
    case 'run':
      return toRun(source);
    case 'cmd':
      return { kind: 'cmd', ...common, command: toCommand(line, syntax.form) };
    case 'entrypoint':
      return { kind: 'entrypoint', ...common, command: toCommand(line, syntax.form) };
    case 'shell':
      return toShell(source);
    default:
      return unknownKeyword(syntax.keyword);
  }
}

function toRun({ common, bodies, flags, line, syntax }: SourceOf<'command'>): RunInstruction {
  const command = toCommand(line, syntax.form, bodies);
  if (command.kind === 'exec' && command.args.length === 0) throw missingArgument('RUN', 'a command', common.range);
  return {
    kind: 'run',
    ...common,
    command,
    mounts: flags.words('mount').map(parseMount),
    ...present('network', flags.choice('network', ['default', 'none', 'host'])),
    ...present('security', flags.choice('security', ['sandbox', 'insecure'])),
    devices: flags.words('device'),
  };
}

function toShell({ common, syntax }: SourceOf<'command'>): ShellInstruction {
  if (syntax.form.kind !== 'json') throw notJson('SHELL', common.range);
  const args = syntax.form.strings.map((token) => token.value);
  if (args.length === 0) throw missingArgument('SHELL', 'at least one string', common.range);
  return { kind: 'shell', ...common, args };
}

function toListInstruction(source: SourceOf<'list'>): Instruction {
  const { keyword, form } = source.syntax;
  const tokens = form.kind === 'json' ? form.strings : form.words;
  switch (nameOf(keyword)) {
    case 'copy':
      return toCopy(source, tokens);
    case 'add':
      return toAdd(source, tokens);
    case 'volume':
      return toVolume(source, tokens);
    case 'expose':
      return toExpose(source, tokens);
    default:
      return unknownKeyword(keyword);
  }
}

function toCopy(source: SourceOf<'list'>, tokens: readonly Token[]): CopyInstruction {
  const from = source.flags.word('from');
  if (from !== undefined && /\$./.test(from.text)) throw variableInFrom('--from', from.text, from.range);
  return {
    kind: 'copy',
    ...copyCommon(source, tokens),
    ...present('from', from && { value: from.text, range: from.range }),
  };
}

function toAdd(source: SourceOf<'list'>, tokens: readonly Token[]): AddInstruction {
  const { flags } = source;
  return {
    kind: 'add',
    ...copyCommon(source, tokens),
    ...present('checksum', flags.word('checksum')),
    ...present('keepGitDir', flags.boolean('keep-git-dir')),
    ...present('unpack', flags.boolean('unpack')),
  };
}

function copyCommon({ common, bodies, flags, line, syntax }: SourceOf<'list'>, tokens: readonly Token[]) {
  const keyword = syntax.keyword.text.toUpperCase();
  const destination = tokens.at(-1);
  if (destination === undefined || tokens.length < 2) {
    throw missingArgument(keyword, 'at least one source and a destination', common.range);
  }
  if (destination.type === 'heredoc') throw heredocDestination(keyword, tokenRange(line, destination));
  let heredocs = 0;
  const toSource = (token: Token): CopySource => {
    if (token.type !== 'heredoc') return { kind: 'path', word: toWord(line, token) };
    const body = bodies[heredocs++];
    if (body === undefined) throw new Error('A heredoc marker has no body');
    return { kind: 'heredoc', heredoc: body.heredoc };
  };
  return {
    ...common,
    sources: tokens.slice(0, -1).map(toSource),
    destination: toWord(line, destination),
    ...present('chown', flags.word('chown')),
    ...present('chmod', flags.word('chmod')),
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude: flags.words('exclude'),
  };
}

function toVolume({ common, line }: SourceOf<'list'>, tokens: readonly Token[]): VolumeInstruction {
  if (tokens.length === 0) throw missingArgument('VOLUME', 'at least one path', common.range);
  const empty = tokens.find((token) => token.value.trim() === '');
  if (empty !== undefined) throw emptyPath('VOLUME', tokenRange(line, empty));
  return { kind: 'volume', ...common, paths: tokens.map((token) => toWord(line, token)) };
}

function toExpose({ common, line }: SourceOf<'list'>, tokens: readonly Token[]): ExposeInstruction {
  return { kind: 'expose', ...common, ports: tokens.map((token) => toWord(line, token)) };
}

function toPairs({ common, line, syntax }: SourceOf<'pairs' | 'legacy'>): EnvInstruction | LabelInstruction {
  const legacy = syntax.kind === 'legacy';
  const pairs = legacy
    ? [{ key: toWord(line, syntax.key), value: toWord(line, syntax.value) }]
    : syntax.pairs.map((token) => toKeyValue(line, syntax.keyword, token));
  return { kind: nameOf(syntax.keyword) === 'env' ? 'env' : 'label', ...common, pairs, legacy };
}

function toArg({ common, line, syntax }: SourceOf<'arg'>): ArgInstruction {
  const args = syntax.words.map((token) => {
    if (token.type === 'word') return { name: toWord(line, token) };
    const { key, value } = toKeyValue(line, syntax.keyword, token);
    return { name: key, defaultValue: value };
  });
  return { kind: 'arg', ...common, args };
}

function toScalar({ common, line, syntax }: SourceOf<'scalar'>): Instruction {
  const value = toWord(line, syntax.value);
  switch (nameOf(syntax.keyword)) {
    case 'workdir':
      return { kind: 'workdir', ...common, path: value };
    case 'user':
      return { kind: 'user', ...common, user: value };
    case 'stopsignal':
      return { kind: 'stopsignal', ...common, signal: value };
    case 'maintainer':
      return { kind: 'maintainer', ...common, name: value.text };
    default:
      return unknownKeyword(syntax.keyword);
  }
}

function toHealthcheck({ common, flags, line, syntax }: SourceOf<'none' | 'check'>): HealthcheckInstruction {
  const timing = {
    ...present('intervalNs', flags.durationNs('interval')),
    ...present('timeoutNs', flags.durationNs('timeout')),
    ...present('startPeriodNs', flags.durationNs('start-period')),
    ...present('startIntervalNs', flags.durationNs('start-interval')),
    ...present('retries', flags.retries()),
  };
  if (syntax.kind === 'none') return { kind: 'healthcheck', ...common, check: { kind: 'none' } };
  const command = toCommand(line, syntax.form);
  if (command.kind === 'exec' && command.args.length === 0) {
    throw missingArgument('HEALTHCHECK', 'a command after CMD', common.range);
  }
  return { kind: 'healthcheck', ...common, check: { kind: 'cmd', command, ...timing } };
}

/** The trigger is checked here although Docker waits until it runs: its author is here, its user is elsewhere. */
function toOnbuild({ common, bodies, line, syntax }: SourceOf<'onbuild'>): OnbuildInstruction {
  toInstruction(line, syntax.trigger, bodies);
  const trigger = [
    line.text.slice(syntax.trigger.keyword.offset),
    ...bodies.map(({ heredoc, raw }) => `${raw}${heredoc.name}`),
  ].join('\n');
  return { kind: 'onbuild', ...common, trigger };
}

function toCommand(line: LogicalLine, form: CommandForm, bodies: readonly HeredocBody[] = []): Command {
  if (form.kind === 'json') return { kind: 'exec', args: form.strings.map((token) => token.value) };
  const text = line.text.slice(form.pieces[0]?.offset).trimEnd();
  return { kind: 'shell', text, heredocs: bodies.map(({ heredoc }) => heredoc) };
}

/** Splits at the first `=`, wherever it is: Docker does not look at quotes here. */
function toKeyValue(line: LogicalLine, keyword: Token, token: Token): KeyValue {
  const { value: text, offset } = token;
  const equals = text.indexOf('=');
  if (equals === 0) throw blankName(keyword.text.toUpperCase(), tokenRange(line, token));
  return {
    key: { text: text.slice(0, equals), range: line.range(offset, offset + equals) },
    value: { text: text.slice(equals + 1), range: line.range(offset + equals + 1, offset + text.length) },
  };
}

function toWord(line: LogicalLine, token: Token): Word {
  return { text: token.value, range: tokenRange(line, token) };
}

function tokenRange(line: LogicalLine, token: Token): SourceRange {
  return line.range(token.offset, token.offset + token.text.length);
}

function nameOf(keyword: Token): string {
  return keyword.text.toLowerCase();
}

/** A member that is left out when there is no value. */
function present<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

function unknownKeyword(keyword: Token): never {
  throw new Error(`The grammar and the instructions disagree about ${keyword.text}`);
}
