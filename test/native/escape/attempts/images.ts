/** Images and options made to lead the runtime out of the root: nothing outside changes, and nothing of it is seen. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerSpec } from '../../../../src/runtime-native/types.ts';
import type { ContainerRig } from '../../../support/container.ts';
import { bind } from '../support.ts';
import type { Described, Group } from './group.ts';

export interface ImageAttempt extends Described {
  /** Changes the image; `out` is the canary's path. */
  readonly image?: (layer: string, out: string) => void;
  readonly options?: (out: string, rig: ContainerRig) => Partial<ContainerSpec>;
  readonly script?: (out: string) => string;
  /** What the container prints, or the error that refuses it. */
  readonly want: string | RegExp;
}

/** Which of the two depends on where the attempt ends. */
const REFUSED = /^(path-conflict|run-start-failed)$/;
const link = (target: string, path: string): void => symlinkSync(target, path);
const up = '../'.repeat(12);

export const IMAGES: readonly Group<ImageAttempt>[] = [
  {
    refusedBy: 'the check that /proc, /sys and /dev are real directories',
    attempts: ['proc', 'sys', 'dev'].flatMap((name): ImageAttempt[] => [
      {
        // CVE-2019-19921, CVE-2019-16884, CVE-2023-27561, CVE-2023-28642
        name: `/${name} is a link to a directory of the image`,
        options: (_, rig) => ({ rootfs: replaced(rig, (layer) => link('/etc', join(layer, name)), name) }),
        want: REFUSED,
      },
      {
        name: `/${name} is a link out`,
        options: (out, rig) => ({ rootfs: replaced(rig, (layer) => link(`${up}${out}`, join(layer, name)), name) }),
        want: REFUSED,
      },
      {
        name: `/${name} is a file`,
        options: (_, rig) => ({ rootfs: replaced(rig, (layer) => writeFileSync(join(layer, name), ''), name) }),
        want: REFUSED,
      },
    ]),
  },
  {
    refusedBy: 'masks and terminals, which are bound by descriptors of the runtime and not by paths of the image',
    attempts: [
      {
        // CVE-2025-31133: what masks is the runtime's own null device.
        name: '/dev/null of the image is a link',
        image: (layer, out) => (mkdirSync(join(layer, 'dev')), link(`${up}${out}/file`, join(layer, 'dev/null'))),
        script: () => 'stat -c "%F %t:%T" /dev/null /proc/keys; cat /proc/keys /proc/timer_list',
        want: 'character special file 1:3\ncharacter special file 1:3',
      },
      {
        // CVE-2025-52565
        name: '/dev/console, /dev/ptmx and /dev/pts of the image are links',
        image: (layer, out) => {
          mkdirSync(join(layer, 'dev'));
          for (const name of ['console', 'ptmx', 'pts', 'shm', 'mqueue']) link(`${up}${out}`, join(layer, 'dev', name));
        },
        script: () => 'test -e /dev/console && echo console; readlink /dev/ptmx; find /dev/pts /dev/shm /dev/mqueue',
        want: 'pts/ptmx\n/dev/pts\n/dev/pts/ptmx\n/dev/shm\n/dev/mqueue',
      },
    ],
  },
  {
    refusedBy: 'mount targets, which are resolved inside the root (openat2)',
    attempts: [
      {
        name: '/etc is a link out, and files are mounted in it',
        options: (out, rig) => ({
          rootfs: replaced(rig, (layer) => link(`${up}${out}`, join(layer, 'etc')), 'etc'),
          etcFiles: { hosts: hostFile(rig), resolvConf: hostFile(rig), hostname: hostFile(rig), readonly: true },
        }),
        script: (out) => `ls ${out}; cat ${out}/hosts`,
        want: /hostname\nhosts\nresolv.conf\nfrom outside/,
      },
      {
        name: '/etc/hosts is a link to a file outside',
        image: (layer, out) => (mkdirSync(join(layer, 'etc')), link(`${up}${out}/empty`, join(layer, 'etc/hosts'))),
        options: (_, rig) => ({ etcFiles: { hosts: hostFile(rig), readonly: false } }),
        script: () => 'cat /etc/hosts',
        want: 'from outside',
      },
      {
        name: 'the target of a mount is a link out',
        image: (layer, out) => link(out, join(layer, 'target')),
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/target')] }),
        script: (out) => `ls ${out} | wc -l`,
        want: '0',
      },
      {
        name: 'a parent of the target is a link out, and the target is missing',
        image: (layer, out) => link(`${up}${out}`, join(layer, 'parent')),
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/parent/new/deeper')] }),
        script: (out) => `ls ${out}`,
        want: 'new',
      },
      {
        name: 'the target is a dangling link out',
        image: (layer, out) => link(`${out}/made`, join(layer, 'dangling')),
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/dangling/file')] }),
        script: (out) => `ls ${out}/made`,
        want: 'file',
      },
      {
        name: 'links in a circle are a target',
        image: (layer) => (link('/b', join(layer, 'a')), link('/a', join(layer, 'b'))),
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/a/x')] }),
        want: REFUSED,
      },
    ],
  },
  {
    refusedBy: 'the rule that nothing is mounted at or below /proc or over the root',
    attempts: [
      {
        name: 'the target is a link into /proc',
        image: (layer) => link('/proc/sys', join(layer, 'target')),
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/target')] }),
        want: 'path-conflict',
      },
      ...['/proc/self/fd/5/x', '/proc/1/root/x', '/proc/self/cwd/x', '/tmp/../proc/sys/x', '/dev/fd/3/x'].map(
        (target): ImageAttempt => ({
          name: `the target of a mount is ${target}`,
          options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), target)] }),
          want: REFUSED,
        }),
      ),
      ...['/..', '/../../..', '/./', '/proc/..'].map((target): ImageAttempt => ({
        name: `the target of a mount is ${target}, which is the root`,
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), target)] }),
        want: 'path-conflict',
      })),
    ],
  },
  {
    refusedBy: 'the working directory, which must have a path inside the root',
    attempts: [
      // CVE-2024-21626: a descriptor of the host as working directory.
      ...Array.from({ length: 10 }, (_, fd) => `/proc/self/fd/${fd + 3}`).map((cwd): ImageAttempt => ({
        name: `the working directory is ${cwd}`,
        options: () => ({ cwd }),
        want: REFUSED,
      })),
      ...['/proc/1/cwd', '/proc/self/root', '/proc/self/fd/7/../../..', '/dev/fd/8'].map((cwd): ImageAttempt => ({
        name: `the working directory is ${cwd}`,
        options: () => ({ cwd }),
        want: REFUSED,
      })),
      {
        name: 'the working directory is a link to a descriptor',
        image: (layer) => link('/proc/self/fd/8', join(layer, 'work')),
        options: () => ({ cwd: '/work' }),
        want: REFUSED,
      },
      {
        name: 'the working directory is a link out',
        image: (layer, out) => link(`${up}${out}/new`, join(layer, 'work')),
        options: () => ({ cwd: '/work/here', user: 'app' }),
        script: () => 'pwd; touch file; ls',
        want: /\/canary-\d+\/new\/here\nfile$/,
      },
    ],
  },
  {
    refusedBy: 'the root: what the image names is looked up in the image',
    attempts: [
      {
        name: 'the command is a link out',
        image: (layer, out) => link(`${up}${out}/file`, join(layer, 'command')),
        options: () => ({ args: ['/command'] }),
        want: 'command-not-found',
      },
      {
        name: 'the command is a descriptor of the host',
        options: () => ({ args: ['/proc/self/fd/6'] }),
        want: /^command-not-(found|executable)$/,
      },
      {
        name: 'LD_PRELOAD names what is outside, and what reads it runs in the image only',
        options: (out) => ({ env: [`LD_PRELOAD=${out}/file`, `LD_LIBRARY_PATH=${out}`, 'PATH=/bin'] }),
        script: () => 'echo ran',
        want: 'ran',
      },
      {
        name: 'a mount of a directory covers /sys/fs/cgroup',
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/sys/fs/cgroup')] }),
        script: () => 'ls /sys/fs/cgroup | wc -l',
        want: '0',
      },
    ],
  },
  {
    refusedBy: 'the cleanup, which removes only what it made (by inode)',
    attempts: [
      {
        name: 'a stub is replaced by a link to a file that a cleanup would remove',
        options: (_, rig) => ({ mounts: [bind(hostFile(rig), '/stubs/empty')] }),
        // The mount point itself is busy; its parent is not, and can be moved away.
        script: (out) => `mv /stubs /moved; ln -s ${out} /stubs; echo done`,
        want: 'done',
      },
      {
        name: 'a stub is replaced by a link to a directory that a cleanup would remove',
        options: (_, rig) => ({ mounts: [bind(rig.fresh('source'), '/stubs/directory')] }),
        script: (out) => `mv /stubs /moved; ln -s ${up}${out} /stubs; echo done`,
        want: 'done',
      },
    ],
  },
];

function hostFile(rig: ContainerRig): string {
  const file = join(rig.fresh('file'), 'file');
  writeFileSync(file, 'from outside\n');
  return file;
}

/** The base image with `name` replaced, in one layer. */
function replaced(rig: ContainerRig, change: (layer: string) => void, name: string): ContainerSpec['rootfs'] {
  const layer = rig.fresh('whole');
  execFileSync('cp', ['-a', `${rig.base}/.`, layer]);
  execFileSync('rm', ['-rf', join(layer, name)]);
  change(layer);
  const [upper, work] = [rig.fresh('upper'), rig.fresh('work')];
  return { kind: 'overlay', lower: [layer], upper, work, volatile: true };
}
