/** `--chmod`: octal modes and the clauses of chmod(1) under umask 0, such as `u=rwX,go=rX`. */
import { BuildError } from '../core/errors.ts';
import type { ModeChange } from '../solver/op.ts';

/** Permission bits, setuid, setgid and sticky of an entry, and whether it is a directory. */
export interface ModeSubject {
  readonly mode: number;
  readonly isDirectory: boolean;
}

type Operation = '+' | '-' | '=';

interface Clause {
  /** Any of `ugoa`; empty: everybody, whatever the umask, as in BuildKit. */
  readonly who: string;
  readonly steps: readonly { readonly operation: Operation; readonly what: string }[];
}

const CLAUSE = /^([ugoa]*)((?:[+\-=](?:[rwxXst]*|[ugo]))+)$/;
const CLASSES = { u: 0o100, g: 0o010, o: 0o001 } as const;
const EXECUTABLE = 0o111;
const SET_ID = { u: 0o4000, g: 0o2000, o: 0 } as const;
const STICKY = 0o1000;

/** The function that a change is; throws `invalid-flag` for clauses that chmod(1) would not take. */
export function compileModeChange(change: ModeChange): (subject: ModeSubject) => number {
  if (change.kind === 'octal') return () => change.mode;
  const clauses = change.clauses.split(',').map((text) => parseClause(text, change.clauses));
  return ({ mode, isDirectory }) =>
    clauses.reduce((current, clause) => applyClause(clause, { mode: current, isDirectory }), mode);
}

function parseClause(text: string, whole: string): Clause {
  const match = CLAUSE.exec(text);
  if (match === null) {
    throw new BuildError(
      'invalid-flag',
      `Cannot read the mode "${whole}": want octal digits or clauses such as "u=rwX,go=rX"`,
    );
  }
  const steps = [...(match[2] ?? '').matchAll(/([+\-=])([^+\-=]*)/g)].map(([, operation, what = '']) => ({
    operation: operation as Operation,
    what,
  }));
  return { who: match[1] ?? '', steps };
}

function applyClause(clause: Clause, subject: ModeSubject): number {
  const classes = clause.who === '' || clause.who.includes('a') ? 'ugo' : clause.who;
  let { mode } = subject;
  for (const { operation, what } of clause.steps) {
    const bits = bitsOf(what, classes, { ...subject, mode });
    switch (operation) {
      case '+':
        mode |= bits;
        break;
      case '-':
        mode &= ~bits;
        break;
      case '=':
        mode = (mode & ~clearedBits(classes, subject.isDirectory)) | bits;
        break;
    }
  }
  return mode;
}

function bitsOf(what: string, classes: string, { mode, isDirectory }: ModeSubject): number {
  let bits = 0;
  for (const name of ['u', 'g', 'o'] as const) {
    if (!classes.includes(name)) continue;
    const one = CLASSES[name];
    for (const letter of what) {
      if (letter === 'r') bits |= 4 * one;
      if (letter === 'w') bits |= 2 * one;
      if (letter === 'x' || (letter === 'X' && (isDirectory || (mode & EXECUTABLE) !== 0))) bits |= one;
      if (letter === 's') bits |= SET_ID[name];
      if (letter === 'u' || letter === 'g' || letter === 'o') bits |= (Math.floor(mode / CLASSES[letter]) & 7) * one;
    }
  }
  return what.includes('t') && classes.includes('o') ? bits | STICKY : bits;
}

/** What `=` takes away first; a directory keeps its set-id bits, as with chmod(1). */
function clearedBits(classes: string, isDirectory: boolean): number {
  let bits = classes.includes('o') ? STICKY : 0;
  for (const name of ['u', 'g', 'o'] as const) {
    if (classes.includes(name)) bits |= (7 * CLASSES[name]) | (isDirectory ? 0 : SET_ID[name]);
  }
  return bits;
}
