/**
 * `--chmod`: octal modes, and clauses such as `u=rwX,go=rX` under umask 0. Clauses mean what BSD's setmode(3) says, as in BuildKit; where
 * that is not what GNU's chmod(1) does: a directory gets no special treatment but for `X`, `X` asks what was executable before the first
 * clause, `t` belongs to every class but the others, and copying a class (`g=u`) leaves set-id bits alone.
 */
import { BuildError } from '../core/errors.ts';
import type { ModeChange } from '../solver/op.ts';

/** Permission bits, setuid, setgid and sticky of an entry, and whether it is a directory. */
export interface ModeSubject {
  readonly mode: number;
  readonly isDirectory: boolean;
}

type Operation = '+' | '-' | '=';
type ClassName = keyof typeof CLASSES;

interface Step {
  readonly operation: Operation;
  readonly what: string;
}

interface Clause {
  /** The bits that the clause is about; 0 when it names no class, which is everybody, whatever the umask, as in BuildKit. */
  readonly who: number;
  readonly steps: readonly Step[];
}

const CLAUSE = /^([ugoa]*)((?:[+\-=][rwxXstugo]*)+)$/;
const CLASSES = { u: 0o4700, g: 0o2070, o: 0o0007 } as const;
const SHIFTS = { u: 6, g: 3, o: 0 } as const;
const ALL = 0o6777;
const EXECUTABLE = 0o111;
const SET_ID = 0o6000;
const STICKY = 0o1000;
const PERMISSIONS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 };

/** The function that a change is; throws `invalid-flag` for clauses that BuildKit would not take. */
export function compileModeChange(change: ModeChange): (subject: ModeSubject) => number {
  if (change.kind === 'octal') return () => change.mode;
  const clauses = change.clauses.split(',').map((text) => parseClause(text, change.clauses));
  return (subject) => {
    const executable = subject.isDirectory || (subject.mode & EXECUTABLE) !== 0;
    return clauses.reduce((mode, clause) => applyClause(clause, mode, executable), subject.mode);
  };
}

function parseClause(text: string, whole: string): Clause {
  const match = CLAUSE.exec(text);
  if (match === null) {
    throw new BuildError(
      'invalid-flag',
      `Cannot read the mode "${whole}": want octal digits or clauses such as "u=rwX,go=rX"`,
    );
  }
  const [, who = '', steps = ''] = match;
  return {
    who: Array.from(who).reduce((bits, name) => bits | (isClass(name) ? CLASSES[name] : ALL), 0),
    steps: [...steps.matchAll(/([+\-=])([^+\-=]*)/g)].map(([, operation, what = '']) => ({
      operation: operation as Operation,
      what,
    })),
  };
}

function applyClause(clause: Clause, mode: number, executable: boolean): number {
  return clause.steps.reduce((current, step) => applyStep(step, clause.who, current, executable), mode);
}

/** Letters add up until a class is named, which is copied at once; what came before it is done by then. */
function applyStep({ operation, what }: Step, clauseWho: number, before: number, executable: boolean): number {
  let mode = before;
  let who = clauseWho;
  let bits = 0;
  let searches = false;
  let done = false;
  const flush = (isLast: boolean): void => {
    if (bits !== 0 || (isLast && operation === '=' && !done)) mode = applyBits(operation, who, bits, mode);
    if (searches) mode = applyBits(operation === '-' ? '-' : '+', who, EXECUTABLE, mode);
    done = true;
    bits = 0;
    searches = false;
  };
  const onlyOthers = who === CLASSES.o;
  for (const letter of what) {
    if (letter === 's' && !onlyOthers) bits |= SET_ID;
    else if (letter === 't' && !onlyOthers) {
      bits |= STICKY;
      who |= STICKY;
    } else if (letter === 'X') searches = executable;
    else if (isClass(letter)) {
      flush(false);
      mode = copyClass(operation, who, letter, mode);
    } else bits |= PERMISSIONS[letter] ?? 0;
  }
  flush(true);
  return mode;
}

function applyBits(operation: Operation, who: number, bits: number, mode: number): number {
  const chosen = who === 0 ? bits : bits & who;
  switch (operation) {
    case '+':
      return mode | chosen;
    case '-':
      return mode & ~chosen;
    case '=':
      return (mode & ~(who === 0 ? ALL : who)) | chosen;
  }
}

/** What one class may do, for the classes in `who`. */
function copyClass(operation: Operation, who: number, from: ClassName, mode: number): number {
  const value = (mode >> SHIFTS[from]) & 7;
  return (['u', 'g', 'o'] as const).reduce((current, to) => {
    if (who !== 0 && (who & CLASSES[to] & 0o777) === 0) return current;
    const copied = value << SHIFTS[to];
    if (operation === '-') return current & ~copied;
    return (operation === '=' ? current & ~(7 << SHIFTS[to]) : current) | copied;
  }, mode);
}

function isClass(name: string): name is ClassName {
  return name === 'u' || name === 'g' || name === 'o';
}
