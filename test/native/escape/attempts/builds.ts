/** Dockerfiles, contexts and caches made to read or write outside. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Described, Group } from './group.ts';

const up = '../'.repeat(12);

export interface BuildAttempt extends Described {
  /** OUT is the path of a directory of the host with the file `file`. */
  readonly dockerfile: string;
  readonly context?: (dir: string, out: string) => void;
  readonly args?: readonly string[];
  /** The exit status and what the report says, or what /result of the image is. */
  readonly want: { readonly fails: RegExp } | { readonly result: RegExp };
}

const SAVE = 'RUN find /x | sort > /result; cat /x* /x/* >> /result 2>/dev/null; true\n';

export const BUILDS: readonly Group<BuildAttempt>[] = [
  {
    refusedBy: 'the context, whose links are followed inside of it',
    attempts: [
      {
        name: 'COPY of a link out of the context',
        dockerfile: `FROM busybox\nCOPY link /x\n${SAVE}`,
        context: (dir, out) => symlinkSync(`${out}/file`, join(dir, 'link')),
        want: { fails: /link/ },
      },
      {
        name: 'COPY through a link out of the context',
        dockerfile: `FROM busybox\nCOPY link/file /x\n${SAVE}`,
        context: (dir, out) => symlinkSync(`${up}${out}`, join(dir, 'link')),
        want: { fails: /link\/file/ },
      },
      {
        name: 'COPY of a directory with a link out copies the link',
        dockerfile: `FROM busybox\nCOPY d /x/\nRUN readlink /x/link > /result; cat /x/link >> /result 2>/dev/null; true\n`,
        context: (dir, out) => {
          mkdirSync(join(dir, 'd'));
          symlinkSync(`${out}/file`, join(dir, 'd/link'));
        },
        want: { result: /^\/.*\/outside\/file$/ },
      },
      {
        name: 'COPY of .. stays in the context',
        dockerfile: `FROM busybox\nCOPY ../outside/file /x\n${SAVE}`,
        want: { fails: /outside\/file/ },
      },
      {
        name: 'COPY of an absolute path is one of the context',
        dockerfile: `FROM busybox\nCOPY OUT/file /x\n${SAVE}`,
        want: { fails: /outside\/file/ },
      },
    ],
  },
  {
    refusedBy: 'stages and images, whose links are followed inside of them',
    attempts: [
      {
        name: 'COPY to a destination that a link of the base leads out of',
        dockerfile: `FROM busybox\nRUN ln -s ${up}OUT /l && ln -s OUT /m\nCOPY own /l/file\nCOPY own /m/new\nRUN cat OUT/file OUT/new > /result\n`,
        context: (dir) => writeFileSync(join(dir, 'own'), 'mine\n'),
        want: { result: /^mine\nmine$/ },
      },
      {
        name: 'COPY --from through a link of a stage',
        dockerfile: `FROM busybox AS a\nRUN ln -s OUT /l && ln -s /proc/self/root/OUT /p\nFROM busybox\nCOPY --from=a /l/file /x\n${SAVE}`,
        want: { fails: /\/l\/file/ },
      },
      {
        name: 'COPY --from of /proc has nothing of the host',
        dockerfile: `FROM busybox AS a\nRUN true\nFROM busybox\nCOPY --from=a /proc /x\nRUN find /x -type f | wc -l > /result\n`,
        want: { result: /^0$/ },
      },
      {
        name: 'COPY over /proc writes to the image and not to the kernel',
        dockerfile: `FROM busybox\nCOPY own /proc/sys/kernel/domainname\nRUN cat /proc/sys/kernel/domainname > /result\n`,
        context: (dir) => writeFileSync(join(dir, 'own'), 'evil\n'),
        want: { result: /^(?!evil)/ },
      },
    ],
  },
  {
    refusedBy: 'the working directory, which is in the image',
    attempts: [
      {
        name: 'WORKDIR through a link out',
        dockerfile: `FROM busybox\nRUN ln -s OUT /l\nWORKDIR /l/made\nRUN pwd > /result\n`,
        want: { result: /outside\/made$/ },
      },
      {
        name: 'WORKDIR of a descriptor (CVE-2024-21626)',
        dockerfile: 'FROM busybox\nWORKDIR /proc/self/fd/8\nRUN cat ../../../../OUT/file > /result\n',
        want: { fails: /\/proc\/self\/fd\/8/ },
      },
    ],
  },
  {
    refusedBy: 'mounts: sources are parts of a context, a stage or a cache, targets of the image',
    attempts: [
      {
        name: 'the source of a bind is a link out of the context',
        dockerfile: 'FROM busybox\nRUN --mount=type=bind,source=link,target=/x cat /x/file > /result\n',
        context: (dir, out) => symlinkSync(out, join(dir, 'link')),
        want: { fails: /link/ },
      },
      {
        name: 'the source of a bind has ..',
        dockerfile: 'FROM busybox\nRUN --mount=type=bind,source=../outside,target=/x cat /x/file > /result\n',
        want: { fails: /outside/ },
      },
      {
        name: 'the source of a bind is a link of a stage',
        dockerfile:
          'FROM busybox AS a\nRUN ln -s OUT /l\nFROM busybox\nRUN --mount=from=a,source=/l,target=/x cat /x/file > /result\n',
        want: { fails: /\/l/ },
      },
      {
        // CVE-2024-23651: the part of a cache that is a link by the time that it is mounted.
        name: 'the initial content of a cache is a link of a stage',
        dockerfile:
          'FROM busybox AS a\nRUN ln -s OUT /l\nFROM busybox\nRUN --mount=type=cache,id=c,from=a,source=/l,target=/x cat /x/file > /result\n',
        want: { fails: /\/l|\/x\/file/ },
      },
      {
        name: 'a cache whose id has ..',
        dockerfile:
          'FROM busybox\nRUN --mount=type=cache,id=../../../../OUT,target=/x touch /x/made; ls /x > /result\n',
        want: { result: /^made$/ },
      },
      {
        // CVE-2024-23652: the stub of a mount is exchanged for a link, and must not be removed through it.
        name: 'a stub becomes a link out',
        dockerfile:
          'FROM busybox\nRUN --mount=type=tmpfs,target=/stubs/empty mv /stubs /moved && ln -s OUT /stubs && readlink /stubs > /result\n',
        want: { result: /outside$/ },
      },
      {
        name: 'a secret, an agent or a cache mounted through a link out',
        dockerfile:
          'FROM busybox\nRUN ln -s OUT /run/secrets || { mkdir -p /run && ln -s OUT /run/secrets; }\nRUN --mount=type=secret,id=s,target=/run/secrets/new cat /run/secrets/new | wc -c > /result\n',
        args: ['--secret', 'id=s,src=secret.txt'],
        want: { result: /^12$/ },
      },
    ],
  },
  {
    refusedBy: 'the working directory, which is in the image',
    attempts: [
      {
        name: 'WORKDIR with .. stays in the root',
        dockerfile:
          'FROM busybox\nWORKDIR ../../../../..\nWORKDIR tmp/../../..\nRUN pwd > /result; ls -d .$PWD../OUT >> /result; true\n',
        want: { result: /^\/$/ },
      },
      {
        name: 'WORKDIR of a descriptor that a variable names',
        dockerfile: 'FROM busybox\nENV D=/proc/self/fd\nWORKDIR $D/9\nRUN pwd > /result\n',
        want: { fails: /\/proc\/self\/fd\/9/ },
      },
      {
        name: 'WORKDIR through a root of proc',
        dockerfile: 'FROM busybox\nWORKDIR /proc/1/root/tmp\nRUN pwd > /result\n',
        want: { fails: /\/proc\/1\/root/ },
      },
      {
        name: 'WORKDIR through a link to a descriptor',
        dockerfile: 'FROM busybox\nRUN ln -s /proc/self/fd/8 /l\nWORKDIR /l/new\nRUN pwd > /result\n',
        want: { fails: /\/l/ },
      },
    ],
  },
  {
    refusedBy: 'the lookup of users, in the image',
    attempts: [
      {
        name: 'USER that is -1',
        dockerfile: 'FROM busybox\nUSER 4294967295\nRUN id > /result\n',
        want: { fails: /4294967295/ },
      },
      {
        name: 'USER of a passwd that is a link out',
        dockerfile: 'FROM busybox\nRUN ln -sf OUT/passwd /etc/passwd\nUSER host\nRUN id > /result\n',
        want: { fails: /host/ },
      },
      {
        name: 'COPY --chown by a passwd that is a link out',
        dockerfile:
          'FROM busybox\nRUN ln -sf OUT/passwd /etc/passwd\nCOPY --chown=host own /x\nRUN stat -c %u /x > /result\n',
        context: (dir) => writeFileSync(join(dir, 'own'), ''),
        want: { result: /^0$/ },
      },
    ],
  },
  {
    refusedBy: 'the rule that nothing is mounted at or below /proc or over the root',
    attempts: ['/', '/..', '/proc', '/proc/sys', '/proc/self/fd/7', '/tmp/../proc/1', '/dev/null', '/dev/fd/5'].map(
      (target): BuildAttempt => ({
        name: `a mount of a step at ${target}`,
        dockerfile: `FROM busybox\nRUN --mount=type=tmpfs,target=${target} mount > /result\n`,
        want: { fails: /mount/i },
      }),
    ),
  },
  {
    refusedBy: 'mounts: sources are parts of a context, a stage or a cache, targets of the image',
    attempts: [
      {
        name: 'the old root above a root with a mount of a stage',
        dockerfile:
          'FROM busybox AS a\nRUN mkdir /d\nFROM busybox\nRUN --mount=from=a,source=/d,target=/x ls -d /../OUT/file /x/../../OUT/file 2>/dev/null | wc -l > /result\n',
        want: { result: /^0$/ },
      },
      {
        name: 'the source of a bind goes above its stage',
        dockerfile:
          'FROM busybox AS a\nRUN true\nFROM busybox\nRUN --mount=from=a,source=/../../..,target=/x ls -d /x/OUT /x/../OUT 2>/dev/null | wc -l > /result\n',
        want: { result: /^0$/ },
      },
      {
        name: 'a cache mounted through a link out',
        dockerfile:
          'FROM busybox\nRUN ln -s OUT /l\nRUN --mount=type=cache,target=/l/new touch /l/new/made; ls /l/new > /result\n',
        want: { result: /^made$/ },
      },
      {
        name: 'an agent mounted through a link out',
        dockerfile:
          'FROM busybox\nRUN ln -s OUT /l\nRUN --mount=type=ssh,target=/l/agent,mode=0666 stat -c %F /l/agent > /result\n',
        args: ['--ssh', 'default=key'],
        want: { result: /^socket$/ },
      },
      {
        name: 'a secret mounted over a link out',
        dockerfile:
          'FROM busybox\nRUN ln -s OUT/empty/secret /s\nRUN --mount=type=secret,id=s,target=/s wc -c < /s > /result\n',
        args: ['--secret', 'id=s,src=secret.txt'],
        want: { result: /^12$/ },
      },
      {
        name: 'a hard link from a cache to the image',
        dockerfile:
          'FROM busybox\nRUN --mount=type=cache,target=/c echo x > /c/f; ln /c/f /f 2>/dev/null || echo refused > /result\n',
        want: { result: /^refused$/ },
      },
      {
        name: 'a directory of the image that is moved into a cache',
        dockerfile:
          'FROM busybox\nRUN --mount=type=cache,target=/c mkdir /d; ln -s OUT /d/l; mv /d /c/; cat /c/d/l/file > /result 2>/dev/null; readlink /c/d/l >> /result\n',
        want: { result: /outside$/ },
      },
    ],
  },
  {
    refusedBy: 'entitlements',
    attempts: [
      {
        name: 'a privileged step without consent',
        dockerfile: 'FROM busybox\nRUN --security=insecure cat /proc/self/status > /result\n',
        want: { fails: /security\.insecure/ },
      },
      {
        name: 'the network of the host without consent',
        dockerfile: 'FROM busybox\nRUN --network=host ip link > /result\n',
        want: { fails: /network\.host/ },
      },
    ],
  },
  {
    refusedBy: 'the reader of .dockerignore, which stays in the context',
    attempts: [
      {
        name: 'a .dockerignore that is a link out is not followed out of the context',
        dockerfile: 'FROM busybox\nCOPY . /x\nRUN ls -a /x > /result\n',
        context: (dir, out) => {
          writeFileSync(join(dir, 'visible'), '');
          symlinkSync(`${out}/ignore`, join(dir, '.dockerignore'));
        },
        want: { result: /visible/ },
      },
      {
        name: 'a pattern of .dockerignore with .. re-includes nothing of outside',
        dockerfile: 'FROM busybox\nCOPY . /x\nRUN find /x | sort > /result\n',
        context: (dir) => {
          writeFileSync(join(dir, 'a'), '');
          writeFileSync(join(dir, '.dockerignore'), '**\n!../outside/file\n!/../../outside\n!a\n');
        },
        want: { result: /^\/x\n\/x\/a$/ },
      },
    ],
  },
];
