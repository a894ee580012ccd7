/** ENV, ARG and LABEL. */
import type { ArgInstruction, EnvInstruction, KeyValue, LabelInstruction } from '../../parser/types.ts';
import type { StageContext } from './context.ts';

/** All values see the variables from before the line. */
export function convertEnv({ draft, scope }: StageContext, instruction: EnvInstruction): void {
  const pairs = expandPairs(scope, instruction.pairs);
  for (const [name, value] of pairs) {
    scope.setEnv(name, value);
    draft.setEnv(name, value);
  }
  draft.addHistory(`ENV ${formatPairs(pairs)}`, false);
}

export function convertLabel({ draft, scope }: StageContext, instruction: LabelInstruction): void {
  const pairs = expandPairs(scope, instruction.pairs);
  for (const [name, value] of pairs) draft.labels.set(name, value);
  draft.addHistory(`LABEL ${formatPairs(pairs)}`, false);
}

/** Each default sees what came before it, on the same line too. */
export function convertArg({ draft, scope }: StageContext, instruction: ArgInstruction): void {
  const declared = instruction.args.map(({ name, defaultValue }) => {
    const value = scope.declareArg(name.text, defaultValue);
    return value === undefined ? name.text : `${name.text}=${value}`;
  });
  draft.addHistory(`ARG ${declared.join(' ')}`, false);
}

/** A name that expands to nothing is a name like others. */
function expandPairs(scope: StageContext['scope'], pairs: readonly KeyValue[]): [string, string][] {
  return pairs.map(({ key, value }) => [scope.expand(key), scope.expand(value)]);
}

function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([name, value]) => `${name}=${value}`).join(' ');
}
