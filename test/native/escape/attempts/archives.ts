/** Archives of ADD made to write or link outside of their destination. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawEntry } from '../../../layer/support.ts';
import { tarOf } from '../../../layer/support.ts';
import type { BuildAttempt } from './builds.ts';
import type { Group } from './group.ts';
import { dir, file, hard, soft, up } from './layers.ts';

/** An archive of these entries, in whose names and links OUT is the canary's path without its first slash. */
function archive(...entries: readonly RawEntry[]): (context: string, out: string) => void {
  return (context, out) => {
    const named = (text: RawEntry['name']): RawEntry['name'] =>
      typeof text === 'string' ? text.replaceAll('OUT', out.slice(1)) : text;
    const changed = entries.map((entry): RawEntry => ({
      ...entry,
      name: named(entry.name),
      ...(entry.link !== undefined && { link: named(entry.link) }),
    }));
    writeFileSync(join(context, 'evil.tar'), tarOf(...changed));
  };
}

export const ARCHIVES: readonly Group<BuildAttempt>[] = [
  {
    refusedBy: 'archives of ADD, which are unpacked as layers are',
    attempts: [
      {
        name: 'ADD of an archive writes to no kernel',
        dockerfile: 'FROM busybox\nADD evil.tar /\nRUN cat /proc/sys/kernel/domainname > /result; true\n',
        context: (dir) => {
          mkdirSync(join(dir, 'proc/sys/kernel'), { recursive: true });
          writeFileSync(join(dir, 'proc/sys/kernel/domainname'), 'evil');
          execFileSync('tar', ['-cf', 'evil.tar', 'proc'], { cwd: dir });
        },
        want: { result: /^(?!evil)/ },
      },
      {
        name: 'ADD of an archive with a link out and a file through it',
        dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN cat /t/OUT/new > /result\n',
        context: (dir, out) => {
          symlinkSync(out, join(dir, 'l'));
          execFileSync('tar', ['-cf', 'evil.tar', 'l'], { cwd: dir });
          execFileSync('rm', [join(dir, 'l')]);
          mkdirSync(join(dir, 'l'));
          writeFileSync(join(dir, 'l/new'), 'evil\n');
          execFileSync('tar', ['-rf', 'evil.tar', 'l/new'], { cwd: dir });
        },
        want: { result: /^evil$/ },
      },
      {
        name: 'ADD of an archive with a name that has ..',
        dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN ls /t > /result\n',
        context: archive(file(`${up}OUT/new`)),
        want: { fails: /\.\./ },
      },
      {
        name: 'ADD of an archive with an absolute hard link',
        dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN cat /t/h > /result\n',
        context: archive(hard('h', '/OUT/file')),
        want: { fails: /evil\.tar|"h"/ },
      },
      {
        name: 'ADD of an archive with a hard link through a link out',
        dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN cat /t/h > /result\n',
        context: archive(soft('l', '/OUT'), hard('h', 'l/file')),
        want: { fails: /evil\.tar|"h"/ },
      },
      {
        name: 'ADD of an archive through a link of the image',
        dockerfile:
          'FROM busybox\nRUN ln -s OUT /l && ln -s ../../..OUT /m\nADD evil.tar /l/\nADD evil.tar /m/x/\nRUN find / -xdev -name made > /result\n',
        context: archive(dir('d'), file('d/made')),
        want: { result: /outside\/d\/made\n.*outside\/x\/d\/made$|outside\/x\/d\/made\n.*outside\/d\/made$/ },
      },
      {
        name: 'ADD of an archive with a disk of the host',
        dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN head -c 1 /t/disk > /dev/null 2> /result; true\n',
        context: archive({ name: 'disk', type: '4', mode: 0o666, major: 8, minor: 0 }),
        want: { result: /Operation not permitted|Permission denied/ },
      },
      {
        name: 'ADD of an archive with a whiteout through a link out',
        dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN ls -a /t/l/ > /result; true\n',
        context: archive(soft('l', '/OUT'), file('l/.wh.file', '')),
        want: { fails: /\.wh\./ },
      },
    ],
  },
];
