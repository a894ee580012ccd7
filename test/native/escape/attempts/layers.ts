/** Layer archives made to write, link or read outside of the layer. */
import type { RawEntry } from '../../../layer/support.ts';
import { pax } from '../../../layer/support.ts';
import type { Described, Group } from './group.ts';

export interface LayerAttempt extends Described {
  /** OUT in names and links is the canary's path without its first slash. */
  readonly entries: readonly RawEntry[];
  /** The error, or lines that the unpacked layer has (without times). */
  readonly want: string | readonly string[];
}

export const file = (name: string, content = 'evil', mode = 0o644): RawEntry => ({ name, content, mode });
export const dir = (name: string): RawEntry => ({ name, type: '5', mode: 0o755 });
export const soft = (name: string, link: string): RawEntry => ({ name, type: '2', link, mode: 0o777 });
export const hard = (name: string, link: string): RawEntry => ({ name, type: '1', link });
export const up = '../'.repeat(12);

export const LAYERS: readonly Group<LayerAttempt>[] = [
  {
    refusedBy: 'the paths of a layer, which are resolved below its root and through no link',
    attempts: [
      { name: 'a name with ..', entries: [file('../canary')], want: 'path-escape' },
      { name: 'a name with .. inside', entries: [dir('a'), file('a/../../f')], want: 'path-escape' },
      { name: 'an absolute name', entries: [file('/etc/f')], want: ['d755 0:0 etc', '-644 0:0 etc/f "evil"'] },
      { name: 'an absolute name with ..', entries: [file('/../OUT/file')], want: 'path-escape' },
      { name: 'a link, and a file through it', entries: [soft('l', '/OUT'), file('l/file')], want: [] },
      { name: 'a relative link, and a file through it', entries: [soft('l', `${up}OUT`), file('l/file')], want: [] },
      { name: 'a link to .., and a file through it', entries: [soft('l', '..'), file('l/f')], want: [] },
      {
        name: 'a link, and a file in its place',
        entries: [soft('l', '/OUT/file'), file('l')],
        want: ['-644 0:0 l "evil"'],
      },
      { name: 'a link, and a directory in its place', entries: [soft('l', '/OUT'), dir('l'), file('l/f')], want: [] },
      {
        name: 'a directory that becomes a link between two files',
        entries: [dir('d'), file('d/a'), soft('d', '/OUT'), file('d/file')],
        want: [],
      },
      { name: 'a link of the layer below, and a file through it', entries: [file('out/file')], want: [] },
      { name: 'a relative link of the layer below', entries: [file('relative/file'), dir('relative/new')], want: [] },
      { name: 'a link of the layer below to the root', entries: [file('top/f')], want: ['-644 0:0 f "evil"'] },
    ],
  },
  {
    refusedBy: 'hard links, which are made to files of the layer and through no link',
    attempts: [
      { name: 'a hard link with ..', entries: [hard('h', '../canary/file')], want: 'path-escape' },
      { name: 'an absolute hard link', entries: [hard('h', '/OUT/file')], want: 'invalid-archive' },
      {
        name: 'a hard link through a link',
        entries: [soft('l', '/OUT'), hard('h', 'l/file')],
        want: 'invalid-archive',
      },
      { name: 'a hard link through a link below', entries: [hard('h', 'out/file')], want: 'invalid-archive' },
      {
        // What is written to the name must not go through the link that shares its inode.
        name: 'a hard link to a link, and a file in its place',
        entries: [soft('l', '/OUT/file'), hard('h', 'l'), file('h')],
        want: ['-644 0:0 h "evil"'],
      },
      { name: 'a hard link to a directory', entries: [dir('d'), hard('h', 'd')], want: 'invalid-archive' },
      { name: 'a hard link to itself', entries: [file('h'), hard('h', 'h')], want: ['-644 0:0 h "evil"'] },
    ],
  },
  {
    refusedBy: 'whiteouts, which hide names of the layer below and nothing else',
    attempts: [
      { name: 'a whiteout of ..', entries: [file('.wh...', '')], want: 'path-escape' },
      { name: 'a whiteout of .', entries: [file('.wh..', '')], want: 'path-escape' },
      { name: 'a whiteout of nothing', entries: [file('.wh.', '')], want: 'path-escape' },
      { name: 'a whiteout through a link', entries: [soft('l', '/OUT'), file('l/.wh.file', '')], want: [] },
      { name: 'a whiteout through a link below', entries: [file('out/.wh.file', '')], want: [] },
      { name: 'an opaque marker through a link below', entries: [file('out/.wh..wh..opq', '')], want: [] },
      {
        name: 'an opaque marker that is a link',
        entries: [dir('d'), soft('d/.wh..wh..opq', '/OUT')],
        want: ['d755 0:0 d'],
      },
    ],
  },
  {
    refusedBy: 'the checks and limits of PAX records',
    attempts: [
      {
        name: 'a path of PAX in place of the name',
        entries: [pax(['path', '../canary']), file('ok')],
        want: 'path-escape',
      },
      { name: 'a link of PAX', entries: [pax(['linkpath', '../../OUT/file']), hard('h', 'ok')], want: 'path-escape' },
      {
        name: 'a size of PAX that is larger than the archive',
        entries: [pax(['size', '9007199254740991']), file('a')],
        want: 'invalid-archive',
      },
      {
        name: 'a size of PAX beyond 64 bits',
        entries: [pax(['size', '99999999999999999999999']), file('a')],
        want: 'invalid-archive',
      },
      { name: 'a name of 5,000 bytes', entries: [pax(['path', 'a/'.repeat(2500)]), file('a')], want: 'limit-exceeded' },
      {
        name: 'a part of a name of 300 bytes',
        entries: [pax(['path', 'n'.repeat(300)]), file('a')],
        want: 'path-conflict',
      },
      {
        name: 'PAX records of 2 MiB',
        entries: [pax(['comment', 'x'.repeat(2 << 20)]), file('a')],
        want: 'limit-exceeded',
      },
    ],
  },
  {
    refusedBy: 'the order of owner and mode, and the first mode of a hard link',
    attempts: [
      {
        // chown clears the bit, so a wrong order loses it; a worse one sets it before the owner.
        name: 'a set-user-ID file of another user',
        entries: [{ name: 's', content: 'x', mode: 0o4755, uid: 1000, gid: 1000 }],
        want: ['-4755 1000:1000 s "x"'],
      },
      {
        name: 'a set-user-ID hard link that takes the bit to a name below',
        entries: [
          { name: 's', content: 'x', mode: 0o755 },
          { ...hard('t', 's'), mode: 0o4755 },
        ],
        want: ['-755 0:0 s "x" = first', '-755 0:0 t "x" = s'],
      },
    ],
  },
  {
    refusedBy: 'entries that take the place of others, and are not opened',
    attempts: [
      {
        name: 'a device of the disk, and a file through it',
        entries: [{ name: 'disk', type: '4', major: 8, minor: 0 }, file('disk')],
        want: ['-644 0:0 disk "evil"'],
      },
      {
        name: 'a pipe, and a file in its place',
        entries: [{ name: 'p', type: '6' }, file('p')],
        want: ['-644 0:0 p "evil"'],
      },
    ],
  },
  {
    refusedBy: 'the root of a layer, which stays a directory',
    attempts: [
      { name: 'a root that is a file', entries: [file('.')], want: 'invalid-archive' },
      { name: 'a root that is a link', entries: [soft('./', '/OUT'), file('f')], want: 'invalid-archive' },
    ],
  },
];
