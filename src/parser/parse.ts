/** The way in: a file's text to typed instructions. No I/O. */
import { markersIn } from '../../grammar/parts.ts';
import { NO_TOKENS } from '../../grammar/syntax.ts';
import type { Syntax, Token } from '../../grammar/syntax.ts';
import type { SourceFile } from '../core/source.ts';
import type { LogicalLine } from './lines.ts';
import type { Dockerfile, Heredoc, Instruction, ParseWarning } from './types.ts';

import { syntaxParserFor } from './ast.ts';
import { readDirectives } from './directives.ts';
import { beforeFrom, noInstructions, noStage, refusedTrigger, severalTriggers, unterminatedHeredoc } from './errors.ts';
import { parseMarker, stripLeadingTabs } from './heredoc.ts';
import { toInstruction } from './instructions.ts';
import type { HeredocBody } from './instructions.ts';
import { LineReader } from './lines.ts';

/**
 * Reads a Dockerfile. The ranges of what is returned point into `Dockerfile.file`, which is `file` without a byte order mark.
 *
 * Errors: a `BuildError` with a location, for whatever cannot be understood; the first one only.
 */
export function parseDockerfile(file: SourceFile): Dockerfile {
  const source = withoutByteOrderMark(file);
  const { directives, lines } = readDirectives(source);
  const { instructions, warnings } = readInstructions(source, directives.escape, lines);
  const [first] = instructions;
  if (first === undefined) throw noInstructions(source);
  const stage = instructions.findIndex((instruction) => instruction.kind === 'from');
  const early = instructions
    .slice(0, stage === -1 ? undefined : stage)
    .find((instruction) => instruction.kind !== 'arg');
  if (early !== undefined) throw beforeFrom(early.keyword.toUpperCase(), early.range);
  if (stage === -1) throw noStage(source);
  return { file: source, directives, instructions, warnings };
}

/**
 * Reads a trigger that ONBUILD stored in an image; `file.name` is how messages call it.
 *
 * Errors: as `parseDockerfile`; also FROM, MAINTAINER, ONBUILD and several instructions at once.
 */
export function parseTrigger(text: string, file: Pick<SourceFile, 'name'>): Instruction {
  const source = { name: file.name, text };
  const [instruction, second] = readInstructions(source, '\\', 0).instructions;
  if (instruction === undefined) throw noInstructions(source);
  if (second !== undefined) throw severalTriggers(second.range);
  if (instruction.kind === 'from' || instruction.kind === 'onbuild' || instruction.kind === 'maintainer') {
    throw refusedTrigger(instruction.keyword.toUpperCase(), instruction.range);
  }
  return instruction;
}

function readInstructions(
  file: SourceFile,
  escape: '\\' | '`',
  directiveLines: number,
): { readonly instructions: readonly Instruction[]; readonly warnings: readonly ParseWarning[] } {
  const reader = new LineReader(file, escape, directiveLines);
  const parser = syntaxParserFor(escape);
  const instructions: Instruction[] = [];
  for (let line = reader.next(); line !== undefined; line = reader.next()) {
    const syntax = parser.parse(line);
    const markers = markersOf(syntax);
    const bodies = markers.length === 0 ? NO_BODIES : markers.map((marker) => readHeredoc(marker, line, reader));
    instructions.push(toInstruction(line, syntax, bodies));
  }
  return { instructions, warnings: reader.warnings };
}

const NO_BODIES: readonly HeredocBody[] = [];

/** Bodies follow the line in the order of their markers. */
function readHeredoc(token: Token, line: LogicalLine, reader: LineReader): HeredocBody {
  const marker = parseMarker(token.text);
  const markerRange = line.range(token.offset, token.offset + token.text.length);
  const body = reader.readBody(marker.name, marker.stripTabs);
  if (body === undefined) throw unterminatedHeredoc(marker.name, markerRange);
  const heredoc: Heredoc = {
    ...marker,
    content: marker.stripTabs ? stripLeadingTabs(body.raw) : body.raw,
    range: { ...markerRange, end: body.end },
  };
  return { heredoc, raw: body.raw };
}

function markersOf(line: Syntax): readonly Token[] {
  const syntax = line.kind === 'onbuild' ? line.trigger : line;
  if (syntax === undefined) return NO_TOKENS;
  if (syntax.kind === 'command') {
    return syntax.form.kind === 'shell' && syntax.keyword.type === 'run' ? markersIn(syntax.form.text) : NO_TOKENS;
  }
  if (syntax.kind !== 'list' || syntax.form.kind === 'json') return NO_TOKENS;
  return syntax.form.words.filter((word) => word.type === 'heredoc');
}

function withoutByteOrderMark(file: SourceFile): SourceFile {
  return file.text.startsWith('\ufeff') ? { name: file.name, text: file.text.slice(1) } : file;
}
