/** Users and groups made to gain rights: ids out of range, files that are none, groups of the caller (CVE-2022-36109). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import type { Described, Group } from './group.ts';

export interface UserAttempt extends Described {
  readonly user: string;
  /** Replaces /etc/passwd; a function makes what stands there. */
  readonly passwd?: string | ((path: string, out: string) => void);
  readonly group?: string | ((path: string, out: string) => void);
  /** What `id` prints, or the error. */
  readonly want: string | RegExp;
}

const REFUSED = /^(unknown-user|unknown-group|run-start-failed)$/;
const plain = (uid: number, gid = uid): string => `${uid}:${gid} ${gid}`;
const sparse = (path: string): void => {
  writeFileSync(path, 'root:x:0:0::/root:/bin/sh\n');
  truncateSync(path, 11 << 20);
};
const pipe = (path: string): void => void execFileSync('mkfifo', [path]);
const device = (major: number, minor: number) => (path: string) =>
  void execFileSync('mknod', [path, 'c', String(major), String(minor)]);

export const USERS: readonly Group<UserAttempt>[] = [
  {
    refusedBy: 'the parser of users: a number is below 2^31, a name is one that can exist',
    attempts: [
      // -1 means "leave it" to setresuid(2): the process would stay root.
      ...['4294967295', '4294967296', '2147483648', '99999999999999999999', '-1', '-0', '0x0', '1e3', ' 0', '+0'].map(
        (user): UserAttempt => ({ name: `user ${JSON.stringify(user)}`, user, want: REFUSED }),
      ),
      ...['app:4294967295', 'app:4294967296', '1000:-1', 'app:nowhere', '1000:2147483648'].map((user): UserAttempt => ({
        name: `user ${user}`,
        user,
        want: REFUSED,
      })),
      ...['..', '../../etc', 'root/', 'a\nroot', 'x'.repeat(600)].map((user): UserAttempt => ({
        name: `user ${JSON.stringify(user).slice(0, 20)}`,
        user,
        want: REFUSED,
      })),
      { name: 'the largest id', user: '2147483647:2147483647', want: plain(2147483647) },
    ],
  },
  {
    refusedBy: 'the parser of /etc/passwd and /etc/group: a line that is wrong is no line',
    attempts: [
      // A line whose id is out of range is no line: were it read modulo 2^32, this user would be root.
      ...['4294967296', '4294967295', '-1', '-4294967296', '18446744073709551616'].map((id): UserAttempt => ({
        name: `a user whose entry says ${id}`,
        user: 'evil',
        passwd: `evil:x:${id}:5::/:/bin/sh\n`,
        want: REFUSED,
      })),
      {
        name: 'an entry with a group out of range',
        user: 'evil',
        passwd: 'evil:x:7:4294967296::/:/bin/sh\n',
        want: REFUSED,
      },
    ],
  },
  {
    refusedBy: 'the rule that a number is an id and no name, and that groups are always set',
    attempts: [
      {
        // CVE-2016-3697: a number is an id and no name.
        name: 'a name that is a number',
        user: '1000',
        passwd: '1000:x:0:0::/:/bin/sh\n',
        want: plain(1000, 0),
      },
      {
        name: 'a name that is a group id of root',
        user: '1000:1000',
        group: '1000:x:0:\n',
        want: plain(1000),
      },
      {
        // CVE-2022-36109: with only the primary group the caller's own would stay.
        name: 'a user in no group',
        user: '1234:1234',
        want: plain(1234),
      },
      {
        name: 'groups that list the user, one of them out of range',
        user: 'app',
        group: 'app:x:1000:\nbig:x:4294967296:app\nwheel:x:10:app\n',
        want: '1000:1000 10 1000',
      },
    ],
  },
  {
    refusedBy: 'the reader of /etc/passwd and /etc/group: a regular file of the image of at most 10 MiB',
    attempts: [
      { name: 'passwd is a pipe', user: 'app', passwd: pipe, want: REFUSED },
      { name: 'passwd is an endless device', user: 'app', passwd: device(1, 5), want: REFUSED },
      { name: 'passwd is larger than 10 MiB', user: 'app', passwd: sparse, want: REFUSED },
      { name: 'passwd is a directory', user: 'app', passwd: (path) => mkdirSync(path), want: REFUSED },
      {
        name: 'passwd is a link to a file of the host',
        user: 'host',
        passwd: (path, out) => symlinkSync(`${'../'.repeat(12)}${out}/passwd`, path),
        want: REFUSED,
      },
      {
        name: 'passwd is a link to a descriptor',
        user: 'host',
        passwd: (path) => symlinkSync('/proc/self/fd/3', path),
        want: REFUSED,
      },
      {
        name: 'passwd is a link into proc',
        user: 'host',
        passwd: (path) => symlinkSync('/proc/self/environ', path),
        want: REFUSED,
      },
      {
        name: 'passwd is a link in a circle',
        user: 'app',
        passwd: (path) => symlinkSync('passwd', path),
        want: REFUSED,
      },
      { name: 'group is a pipe', user: 'app', group: pipe, want: REFUSED },
      { name: 'group is an endless device', user: 'app:app', group: device(1, 5), want: REFUSED },
      {
        name: 'a million lines',
        user: 'last',
        passwd: `${'x:x:1:1::/:\n'.repeat(600_000)}last:x:4:4::/:\n`,
        want: plain(4),
      },
      { name: 'a line of 8 MiB', user: 'last', passwd: `${'x'.repeat(8 << 20)}:x:0:0\nlast:x:4:4\n`, want: plain(4) },
      { name: 'bytes that end strings', user: 'last', passwd: 'a:x:0:0\0\nlast:x:0:0\n', want: REFUSED },
    ],
  },
];
