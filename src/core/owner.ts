/**
 * Who an unfinished directory belongs to, as part of its name, so that there is no moment at which it exists without an owner:
 * `<id>.<boot>.<pid namespace>.<pid>.<start time>`.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';

export interface Owner {
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks since boot, which tells a process from a later one with the same pid. */
  readonly startTime: string;
}

/** This process. */
export function currentOwner(): Owner {
  const startTime = startTimeOf(process.pid);
  if (startTime === undefined) throw new Error('/proc does not list this process');
  return {
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', ''),
    pidNamespace: readlinkSync('/proc/self/ns/pid').replace(/\D/g, ''),
    pid: process.pid,
    startTime,
  };
}

export function ownedName(id: string, owner: Owner): string {
  return `${id}.${owner.bootId}.${owner.pidNamespace}.${owner.pid}.${owner.startTime}`;
}

/** Whether the owner of `name` is certainly gone. Of a process in another pid namespace of the same boot nothing can be said. */
export function isAbandoned(name: string, self: Owner): boolean {
  const [, bootId, pidNamespace, pid, startTime] = name.split('.');
  if (bootId !== self.bootId) return true;
  if (pidNamespace !== self.pidNamespace) return false;
  return startTimeOf(Number(pid)) !== startTime;
}

function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
  // The command's name is in parentheses and may contain anything; field 22 is the 20th after it (proc_pid_stat(5)).
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
