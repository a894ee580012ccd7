/** What is left of a container whose keeper was killed. */
import { readFileSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';

/** Kills the process if it is the first of a pid namespace below ours; a pid that was given to another process is not. */
export function killFirstOfNamespace(pid: number): void {
  if (!isFirstOfNamespace(pid)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

function isFirstOfNamespace(pid: number): boolean {
  try {
    return /^NSpid:\s*\d+(\s+\d+)*\s+1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}
