/** The control groups of a container as the file systems show them. */
import type { Dirent } from 'node:fs';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { errnoOf } from '../../src/core/errors.ts';
import { until } from './until.ts';

/** Every directory on a cgroup file system that was made for the container `id`, or has that name; in one hierarchy with `controller`. */
export function groupsOf(id: string, controller?: string): string[] {
  return groupsNamed((name) => name === id || name.startsWith(`${id}.`), controller);
}

/** Every directory there whose name is meant, but none below it. */
export function groupsNamed(isMeant: (name: string) => boolean, controller?: string): string[] {
  const found: string[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, , , , point, ...rest] = line.split(' ');
    if (point === undefined || !/ - cgroup2? /.test(` ${rest.join(' ')} `)) continue;
    if (controller === undefined || basename(point) === controller) visit(point, 0);
  }
  return found;

  function visit(directory: string, depth: number): void {
    if (depth > 6) return;
    for (const entry of entriesOf(directory)) {
      if (!entry.isDirectory()) continue;
      if (isMeant(entry.name)) found.push(join(directory, entry.name));
      else visit(join(directory, entry.name), depth + 1);
    }
  }
}

/** None for a group that is gone by now: other containers may be running. */
export function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The groups go a moment after the container: nobody waits for them but the runtime's own end. */
export async function groupsGone(id: string, controller?: string): Promise<void> {
  await until('its groups are gone', () => groupsOf(id, controller).length === 0);
}
