/** Attempts that the same thing refuses: what the table of docs/security.md is made of. */

import type { ContainerRig } from '../../../support/container.ts';

export interface Described {
  /** What is tried. */
  readonly name: string;
}

export interface Group<T extends Described> {
  /** What refuses these, as a reader of docs/security.md understands it. */
  readonly refusedBy: string;
  readonly attempts: readonly T[];
}

export function attemptsOf<T extends Described>(groups: readonly Group<T>[]): readonly T[] {
  return groups.flatMap(({ attempts }) => attempts);
}

/** An attempt that is a test of its own. */
export interface RigAttempt extends Described {
  readonly run: (rig: ContainerRig) => Promise<void>;
}

export function refused(refusedBy: string, name: string, run: RigAttempt['run']): Group<RigAttempt> {
  return { refusedBy, attempts: [{ name, run }] };
}
