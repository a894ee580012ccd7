/** The machine as it is: processes by /proc, time and chance. */
import { randomBytes } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { errnoOf } from '../core/errors.ts';
import type { ContainerHost, ProcessIdentity } from './types.ts';

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)), counted after the command's closing parenthesis. */
const START_TIME_FIELD = 22 - 3;

export function systemHost(): ContainerHost {
  return {
    readText,
    identify,
    kill: (pid, signal) => {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (errnoOf(error) !== 'ESRCH') throw error;
      }
    },
    pid: process.pid,
    now: () => Date.now(),
    randomBytes: (length) => randomBytes(length),
  };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // ESRCH: the process ended between open and read.
    if (['ENOENT', 'ENOTDIR', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const [stat, bootId, namespace] = await Promise.all([
    readText(`/proc/${pid}/stat`),
    readText('/proc/sys/kernel/random/boot_id'),
    readlink('/proc/self/ns/pid'),
  ]);
  if (stat === undefined || bootId === undefined) return undefined;
  // The command may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTicks = fields[START_TIME_FIELD];
  if (startTicks === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTicks, bootId: bootId.trim(), pidNamespace: namespace.replace(/\D/g, '') };
}
