/** A build that gives the same image wherever and however it runs, of everything that a layer can hold. */
import { existsSync, readFileSync } from 'node:fs';
import { tarOf } from './tars.ts';

export const EPOCH = { SOURCE_DATE_EPOCH: '1700000000' };

/** Of owners inside and outside of a range, of every type. */
const OWNERS = tarOf([
  { path: 'dev/' },
  { path: 'proc/' },
  { path: 'sys/' },
  { path: 'o/', mode: 0o750, uid: 5000, gid: 70_000 },
  { path: 'o/block', type: 'BlockDevice', mode: 0o660, uid: 100_000, gid: 6, device: [8, 1] },
  { path: 'o/character', type: 'CharacterDevice', mode: 0o666, device: [1, 3] },
  { path: 'o/fifo', type: 'FIFO', mode: 0o640, uid: 100_000, gid: 6 },
  { path: 'o/file', mode: 0o6755, uid: 100_000, gid: 100_001, content: 'abc' },
  { path: 'o/hard', type: 'Link', linkpath: 'o/file' },
  { path: 'o/link', type: 'SymbolicLink', linkpath: 'file', uid: 100_000, gid: 3 },
]);

const touch = (...paths: readonly string[]): string => `touch -hd @1700000000 ${paths.join(' ')} /`;

/** New, changed, replaced, moved and deleted files and directories, in each relation to what is below. */
const CHANGES = [
  'rm -r /b/sub && mkdir /b/sub && echo n > /b/sub/n',
  'rm -r /a/d && echo file > /a/d',
  'rm /bin/wget && mkdir /bin/wget',
  'mv /r /q && ln /q/f /q/h && ln -s f /q/s && mkfifo /q/p',
  'mkdir -p /new/x/y && echo > /new/x/y/z && rm -r /a/sub',
  'chmod 700 /a/e && echo 2 > /b/f && rm /o/character && rm -r /deep/1/2/3',
  touch(
    '/b/sub/n',
    '/b/sub',
    '/b/f',
    '/b',
    '/a/d',
    '/a/e',
    '/a',
    '/bin/wget',
    '/bin',
    '/q/*',
    '/q',
    '/o',
    '/deep/1/2',
    '/deep/1',
    '/deep',
  ),
  touch('/new/x/y/z', '/new/x/y', '/new/x', '/new'),
].join(' && ');

const DOCKERFILE = `FROM busybox AS one
ADD owners.tar /
COPY --chown=1000:1001 d /a
COPY --chown=200000:5 d /b
COPY d /deep/1/2/3
RUN mkdir /r && echo hi > /r/f && chmod 4711 /r/f && rm /bin/vi && mv /a/f /a/moved && echo more >> /a/sub/g && ${touch('/r/f', '/r', '/a/moved', '/a', '/a/sub/g', '/a/sub', '/bin')}
COPY d/f /a/e/f
RUN ${CHANGES}
FROM busybox
ADD owners.tar /
COPY --from=one / /all
COPY --from=one /o /again
RUN --mount=type=bind,from=one,target=/m --mount=type=bind,from=one,target=/w,rw ls -R /m/a /m/b /m/q > /ls && echo x > /w/b/x && ${touch('/ls')}
`;

/** The context's files. */
export const DETERMINISTIC = {
  'd/f': { text: 'hello', mode: 0o755 },
  'd/sub/g': 'g\n',
  'd/d/1': '1\n',
  'd/e/2': '2\n',
  'owners.tar': OWNERS,
  Dockerfile: DOCKERFILE,
};
/** Steps of it that are found again in a second build. */
export const DETERMINISTIC_STEPS = ['ADD owners.tar', 'RUN mkdir', 'COPY --from=one / '];

const APPLETS = [
  'cat',
  'chmod',
  'echo',
  'grep',
  'ln',
  'ls',
  'mkdir',
  'mkfifo',
  'mv',
  'rm',
  'sh',
  'sleep',
  'touch',
  'true',
];

/** Its base `busybox`: applets are symbolic links, of which a copy is cheap, but for a file with several names that are deleted one by one. */
export function deterministicBase(): Buffer {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
  if (busybox === undefined) throw new Error('these tests need a static busybox: scripts/setup.sh test');
  return tarOf([
    { path: 'bin/' },
    { path: 'bin/busybox', mode: 0o755, content: readFileSync(busybox) },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, type: 'SymbolicLink' as const, linkpath: 'busybox' })),
    { path: 'bin/du', mode: 0o755, content: 'one file\n' },
    ...['ps', 'vi', 'wget'].map((name) => ({ path: `bin/${name}`, type: 'Link' as const, linkpath: 'bin/du' })),
  ]);
}
