/** The ids of the user namespace that tsbuild is in, which are all that containers have. */
import { readFileSync } from 'node:fs';

/** What to do where ids are missing. */
export const GET_A_RANGE =
  'have root add ranges for this user to /etc/subuid and /etc/subgid, and install newuidmap (package uidmap)';

/** Whether no user exists but root: the map is one line for one id (user_namespaces(7)). */
export function isRootAlone(map = readFileSync('/proc/self/uid_map', 'latin1')): boolean {
  return /^\s*0\s+\d+\s+1\s*$/.test(map);
}
