/** Syntax to typed instructions: one function for each, with Docker's rules for flags and numbers of arguments. */
import { stringsIn, wellFormed } from '../../grammar/parts.ts';
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

/** What each function below works from, besides the syntax. */
interface Source {
  readonly line: LogicalLine;
  readonly bodies: readonly HeredocBody[];
  readonly flags: Flags;
  readonly common: Pick<Instruction, 'range' | 'keyword' | 'source' | 'docComment'>;
}

/** Docker looks for an image of the name, so it must be one: a separator stands between letters or digits. */
const STAGE_NAME = /^[a-z][a-z0-9]*(?:(?:[._]|__|-+)[a-z0-9]+)*$/i;

type SyntaxOf<K extends Syntax['kind']> = Extract<Syntax, { readonly kind: K }>;

/** `bodies` are those of the line's heredoc markers, in order. Errors: `BuildError` for wrong flags and arguments. */
export function toInstruction(line: LogicalLine, syntax: Syntax, bodies: readonly HeredocBody[]): Instruction {
  const { keyword } = syntax;
  const range = line.range(keyword.offset, line.text.trimEnd().length);
  const last = bodies.at(-1);
  const whole = last === undefined ? range : { ...range, end: last.heredoc.range.end };
  const source = line.text.trimStart();
  const common =
    line.comments === undefined
      ? { range: whole, keyword: keyword.text, source }
      : { range: whole, keyword: keyword.text, source, docComment: line.comments };
  const parts = { line, bodies, flags: new Flags(keyword, line), common };
  switch (syntax.kind) {
    case 'from':
      return toFrom(parts, syntax);
    case 'command':
      return toCommandInstruction(parts, syntax);
    case 'list':
      return toListInstruction(parts, syntax);
    case 'pairs':
    case 'legacy':
      return toPairs(parts, syntax);
    case 'arg':
      return toArg(parts, syntax);
    case 'scalar':
      return toScalar(parts, syntax);
    case 'none':
    case 'check':
      return toHealthcheck(parts, syntax);
    case 'onbuild':
      return toOnbuild(parts, syntax);
    default:
      return unreachable(syntax);
  }
}

function toFrom({ common, flags, line }: Source, syntax: SyntaxOf<'from'>): FromInstruction {
  const { image, as, name } = syntax;
  const platform = flags.word('platform');
  if (name !== undefined && !STAGE_NAME.test(name.text)) throw invalidStageName(name.text, tokenRange(line, name));
  return {
    kind: 'from',
    ...common,
    ...(platform !== undefined && { platform }),
    image: toWord(line, image),
    ...(name !== undefined && { stageName: { value: name.text, range: tokenRange(line, name) } }),
    ...(as !== undefined && { asKeyword: as.text }),
  };
}

function toCommandInstruction(source: Source, { keyword, form }: SyntaxOf<'command'>): Instruction {
  const { common } = source;
  switch (nameOf(keyword)) {
    case 'run':
      return toRun(source, form);
    case 'cmd':
      return { kind: 'cmd', ...common, command: toCommand(form) };
    case 'entrypoint':
      return { kind: 'entrypoint', ...common, command: toCommand(form) };
    case 'shell':
      return toShell(source, form);
    default:
      return unknownKeyword(keyword);
  }
}

function toRun({ common, bodies, flags }: Source, form: CommandForm): RunInstruction {
  const command = toCommand(form, bodies);
  if (command.kind === 'exec' && command.args.length === 0) throw missingArgument('RUN', 'a command', common.range);
  const network = flags.choice('network', ['default', 'none', 'host']);
  const security = flags.choice('security', ['sandbox', 'insecure']);
  return {
    kind: 'run',
    ...common,
    command,
    mounts: flags.words('mount').map(parseMount),
    ...(network !== undefined && { network }),
    ...(security !== undefined && { security }),
    devices: flags.words('device'),
  };
}

function toShell({ common }: Source, form: CommandForm): ShellInstruction {
  if (form.kind !== 'json') {
    if (form.text.text === '') throw missingArgument('SHELL', 'a JSON array of strings', common.range);
    throw notJson('SHELL', common.range);
  }
  const args = argsOf(form.array);
  if (args.length === 0) throw missingArgument('SHELL', 'at least one string', common.range);
  return { kind: 'shell', ...common, args };
}

function toListInstruction(source: Source, { keyword, form }: SyntaxOf<'list'>): Instruction {
  const tokens = form.kind === 'json' ? stringsIn(form.array) : form.words;
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

function toCopy(source: Source, tokens: readonly Token[]): CopyInstruction {
  const from = source.flags.word('from');
  if (from !== undefined && /\$./.test(from.text)) throw variableInFrom('--from', from.text, from.range);
  return {
    kind: 'copy',
    ...toCopyCommon(source, 'COPY', tokens),
    ...(from !== undefined && { from: { value: from.text, range: from.range } }),
  };
}

function toAdd(source: Source, tokens: readonly Token[]): AddInstruction {
  const { flags } = source;
  const checksum = flags.word('checksum');
  const keepGitDir = flags.boolean('keep-git-dir');
  const unpack = flags.boolean('unpack');
  return {
    kind: 'add',
    ...toCopyCommon(source, 'ADD', tokens),
    ...(checksum !== undefined && { checksum }),
    ...(keepGitDir !== undefined && { keepGitDir }),
    ...(unpack !== undefined && { unpack }),
  };
}

function toCopyCommon(source: Source, keyword: 'COPY' | 'ADD', tokens: readonly Token[]) {
  const { common, flags, line } = source;
  const destination = tokens.at(-1);
  if (destination === undefined || tokens.length < 2) {
    throw missingArgument(keyword, 'at least one source and a destination', common.range);
  }
  if (destination.type === 'heredoc') throw heredocDestination(keyword, tokenRange(line, destination));
  const chown = flags.word('chown');
  const chmod = flags.word('chmod');
  return {
    ...common,
    sources: toSources(source, tokens.slice(0, -1)),
    destination: toWord(line, destination),
    ...(chown !== undefined && { chown }),
    ...(chmod !== undefined && { chmod }),
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude: flags.words('exclude'),
  };
}

function toSources({ bodies, line }: Source, tokens: readonly Token[]): CopySource[] {
  let heredocs = 0;
  return tokens.map((token) => {
    if (token.type !== 'heredoc') return { kind: 'path', word: toWord(line, token) };
    const body = bodies[heredocs++];
    if (body === undefined) throw new Error('A heredoc marker has no body');
    return { kind: 'heredoc', heredoc: body.heredoc };
  });
}

function toVolume({ common, line }: Source, tokens: readonly Token[]): VolumeInstruction {
  if (tokens.length === 0) throw missingArgument('VOLUME', 'at least one path', common.range);
  const empty = tokens.find((token) => token.value.trim() === '');
  if (empty !== undefined) throw emptyPath('VOLUME', tokenRange(line, empty));
  return { kind: 'volume', ...common, paths: tokens.map((token) => toWord(line, token)) };
}

function toExpose({ common, line }: Source, tokens: readonly Token[]): ExposeInstruction {
  return { kind: 'expose', ...common, ports: tokens.map((token) => toWord(line, token)) };
}

function toPairs({ common, line }: Source, syntax: SyntaxOf<'pairs' | 'legacy'>): EnvInstruction | LabelInstruction {
  const legacy = syntax.kind === 'legacy';
  const pairs = legacy
    ? [{ key: toWord(line, syntax.key), value: toWord(line, syntax.value) }]
    : syntax.pairs.map((token) => toKeyValue(line, syntax.keyword, token));
  return { kind: nameOf(syntax.keyword) === 'env' ? 'env' : 'label', ...common, pairs, legacy };
}

function toArg({ common, line }: Source, syntax: SyntaxOf<'arg'>): ArgInstruction {
  const args = syntax.words.map((token) => {
    if (token.type === 'word') return { name: toWord(line, token) };
    const { key, value } = toKeyValue(line, syntax.keyword, token);
    return { name: key, defaultValue: value };
  });
  return { kind: 'arg', ...common, args };
}

function toScalar({ common, line }: Source, syntax: SyntaxOf<'scalar'>): Instruction {
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

function toHealthcheck({ common, flags }: Source, syntax: SyntaxOf<'none' | 'check'>): HealthcheckInstruction {
  const intervalNs = flags.durationNs('interval');
  const timeoutNs = flags.durationNs('timeout');
  const startPeriodNs = flags.durationNs('start-period');
  const startIntervalNs = flags.durationNs('start-interval');
  const retries = flags.retries();
  if (syntax.kind === 'none') return { kind: 'healthcheck', ...common, check: { kind: 'none' } };
  const command = toCommand(syntax.form);
  if (command.kind === 'exec' && command.args.length === 0) {
    throw missingArgument('HEALTHCHECK', 'a command after CMD', common.range);
  }
  const check = {
    kind: 'cmd' as const,
    command,
    ...(intervalNs !== undefined && { intervalNs }),
    ...(timeoutNs !== undefined && { timeoutNs }),
    ...(startPeriodNs !== undefined && { startPeriodNs }),
    ...(startIntervalNs !== undefined && { startIntervalNs }),
    ...(retries !== undefined && { retries }),
  };
  return { kind: 'healthcheck', ...common, check };
}

/** What is wrong with the trigger as an instruction is told where it runs, as in Docker. */
function toOnbuild({ common, bodies, line }: Source, { keyword }: SyntaxOf<'onbuild'>): OnbuildInstruction {
  const trigger = [
    line.text.slice(keyword.offset + keyword.text.length).trimStart(),
    ...bodies.map(({ heredoc, raw }) => `${raw}${heredoc.name}`),
  ].join('\n');
  return { kind: 'onbuild', ...common, trigger };
}

function toCommand(form: CommandForm, bodies: readonly HeredocBody[] = []): Command {
  if (form.kind === 'json') return { kind: 'exec', args: argsOf(form.array) };
  return { kind: 'shell', text: form.text.text, heredocs: bodies.map(({ heredoc }) => heredoc) };
}

/** What the lexer has found to be an array of strings. */
function argsOf(array: Token): readonly string[] {
  const args = JSON.parse(array.text) as readonly string[];
  return array.text.includes('\\u') ? args.map(wellFormed) : args;
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

function unknownKeyword(keyword: Token): never {
  throw new Error(`The grammar and the instructions disagree about ${keyword.text}`);
}
