/** The words of an instruction that the builder expands. */
import type { Instruction, Word } from '../../parser/types.ts';

export interface ExpandedWord {
  readonly word: Word;
  /** A heredoc's body. */
  readonly isBody: boolean;
}

/**
 * In Docker's order, as far as variables that nobody sets are reported there: not the ports of EXPOSE. Defaults of ARG are left to the
 * caller, as each sees the one before it.
 */
export function expandedWords(instruction: Instruction): readonly ExpandedWord[] {
  return wordsOf(instruction)
    .flatMap((word) => (word === undefined ? [] : { word, isBody: false }))
    .concat(bodiesOf(instruction));
}

function wordsOf(instruction: Instruction): readonly (Word | undefined)[] {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return instruction.pairs.flatMap(({ key, value }) => [key, value]);
    case 'workdir':
      return [instruction.path];
    case 'user':
      return [instruction.user];
    case 'stopsignal':
      return [instruction.signal];
    case 'volume':
      return instruction.paths;
    case 'run':
      return instruction.mounts.flatMap(({ options, range }) =>
        options.flatMap(({ key, value }) => (key === 'from' || value === undefined ? [] : { text: value, range })),
      );
    case 'copy':
    case 'add':
      return [
        instruction.chown,
        instruction.chmod,
        instruction.kind === 'add' ? instruction.checksum : undefined,
        ...instruction.sources.map((source) => (source.kind === 'path' ? source.word : undefined)),
        instruction.destination,
      ];
    default:
      return [];
  }
}

function bodiesOf(instruction: Instruction): readonly ExpandedWord[] {
  if (instruction.kind !== 'copy' && instruction.kind !== 'add') return [];
  return instruction.sources.flatMap((source) => {
    if (source.kind !== 'heredoc' || !source.heredoc.expand) return [];
    const { content, range } = source.heredoc;
    return { word: { text: content, range }, isBody: true };
  });
}
