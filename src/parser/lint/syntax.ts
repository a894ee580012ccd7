/** Checks that need nothing but the text: names, casing, comments. */
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction } from '../types.ts';
import { isCheckComment } from './options.ts';
import type { Report } from './rules.ts';

const RESERVED_STAGE_NAMES: readonly string[] = ['context', 'scratch'];

/** Reports in Docker's order: each instruction by itself, then stages, then the file as a whole. */
export function checkSyntax(dockerfile: Dockerfile, report: Report): void {
  for (const { rule, message, range } of dockerfile.warnings) report(rule, { range }, message);
  for (const instruction of dockerfile.instructions) checkInstruction(instruction, report);
  checkStageNames(dockerfile, report);
  checkKeywordCasing(dockerfile, report);
}

function checkInstruction(instruction: Instruction, report: Report): void {
  switch (instruction.kind) {
    case 'from':
      checkFrom(instruction, report);
      return;
    case 'arg':
      checkDescription(
        instruction,
        'ARG',
        instruction.args.map(({ name }) => name.text),
        report,
      );
      return;
    case 'maintainer':
      report('MaintainerDeprecated', instruction, 'Maintainer instruction is deprecated in favor of using label');
      return;
    default:
  }
}

function checkFrom(from: FromInstruction, report: Report): void {
  const { stageName, asKeyword, keyword } = from;
  if (stageName === undefined || asKeyword === undefined) return;
  if (stageName.value !== stageName.value.toLowerCase())
    report('StageNameCasing', from, `Stage name '${stageName.value}' should be lowercase`);
  const casing = casingOf(keyword);
  if (casing !== undefined && casingOf(asKeyword) !== casing)
    report('FromAsCasing', from, `'${asKeyword}' and '${keyword}' keywords' casing do not match`);
  checkDescription(from, 'FROM', [stageName.value.toLowerCase()], report);
}

/** The last line above what is defined describes it if it begins with its name. */
function checkDescription(
  instruction: FromInstruction | ArgInstruction,
  keyword: string,
  names: readonly string[],
  report: Report,
): void {
  const comment = instruction.docComment?.split('\n').findLast((line) => !isCheckComment(line));
  if (comment === undefined || names.includes(comment.split(' ', 1)[0] ?? '')) return;
  const example = names.length > 1 ? '<arg_key>' : (names[0] ?? '');
  report(
    'InvalidDefinitionDescription',
    instruction,
    `Comment for ${keyword} should follow the format: \`# ${example} <description>\``,
  );
}

function checkStageNames({ instructions }: Dockerfile, report: Report): void {
  const names = new Set<string>();
  for (const instruction of instructions) {
    if (instruction.kind !== 'from' || instruction.stageName === undefined) continue;
    const name = instruction.stageName.value.toLowerCase();
    if (RESERVED_STAGE_NAMES.includes(name))
      report('ReservedStageName', instruction, `Stage name should not use the same name as reserved stage "${name}"`);
    if (names.has(name))
      report('DuplicateStageName', instruction, `Duplicate stage name "${name}", stage names should be unique`);
    names.add(name);
  }
}

/** What stands before the first FROM belongs to no stage, and Docker does not look at it. */
function checkKeywordCasing({ instructions }: Dockerfile, report: Report): void {
  const staged = instructions.slice(instructions.findIndex(({ kind }) => kind === 'from'));
  const count = (casing: Casing): number => staged.filter(({ keyword }) => casingOf(keyword) === casing).length;
  const majority = count('lowercase') > count('uppercase') ? 'lowercase' : 'uppercase';
  for (const instruction of staged) {
    const { keyword } = instruction;
    if (casingOf(keyword) === majority) continue;
    report(
      'ConsistentInstructionCasing',
      instruction,
      `Command '${keyword}' should match the case of the command majority (${majority})`,
    );
  }
}

type Casing = 'lowercase' | 'uppercase';

function casingOf(word: string): Casing | undefined {
  if (word === word.toLowerCase()) return 'lowercase';
  return word === word.toUpperCase() ? 'uppercase' : undefined;
}
