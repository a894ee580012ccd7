/** What the tests of copies share: small trees by their paths, and a copy of one onto another. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CopyAction } from '../../src/solver/op.ts';
import type { ExecutorRig, Made } from '../support/executor-rig.ts';
import { from } from '../support/executor-rig.ts';

/** Texts of files by path; `null` for a directory, `-> target` for a link. */
export type Tree = Readonly<Record<string, string | null>>;

export const FILE = from('/file');
export const DIR = from('/dir');

/** Writes `tree` below `dir`. */
export function fill(dir: string, tree: Tree): void {
  for (const [path, value] of Object.entries(tree)) {
    const host = join(dir, path);
    mkdirSync(join(host, '..'), { recursive: true });
    if (value === null) mkdirSync(host, { recursive: true });
    else if (value.startsWith('-> ')) symlinkSync(value.slice(3), host);
    else writeFileSync(host, value);
  }
}

/** Copies from `source` onto `base`, which are made unless they are there. */
export async function onto(
  rig: ExecutorRig,
  base: Tree | Made,
  source: Tree | ((dir: string) => void),
  ...actions: readonly Partial<CopyAction>[]
): Promise<Made> {
  const root =
    'vertex' in base && 'result' in base ? (base as Made) : await rig.layer((dir) => fill(dir, base as Tree));
  const input = await rig.layer(typeof source === 'function' ? source : (dir) => fill(dir, source));
  return rig.copy(root, input, ...actions);
}
