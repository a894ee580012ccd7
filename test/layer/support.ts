/** What the tests of layers share: a place of their own, the native binary, hand-made archives and a picture of a tree. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { fsPath } from '../../src/core/path-bytes.ts';
import type { FileTree } from '../../src/core/tree.ts';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import type { NativeFiles } from '../../src/runtime-native/tree-types.ts';
import { MergedView } from '../../src/snapshot/view.ts';

export const BINARY = fileURLToPath(new URL('../../src/runtime-native/c/build/tsbuild-runtime', import.meta.url));

export function nativeFiles(): NativeFiles {
  return createNativeFiles({ binaryPath: BINARY });
}

/** Owners, devices and overlay's attributes need root. Says so when there is none. */
export function isRoot(what: string): boolean {
  if (process.getuid?.() === 0) return true;
  console.error(`SKIPPED, needs root: ${what}`);
  return false;
}

/** A temporary directory that disposing removes. */
export class Lab implements Disposable {
  readonly dir = fs.mkdtempSync(join(tmpdir(), 'tsbuild-layer-'));

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  makeDir(name: string): string {
    fs.mkdirSync(this.path(name), { recursive: true });
    return this.path(name);
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface RawEntry {
  readonly name: string | Buffer;
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly link?: string | Buffer;
  readonly content?: string | Buffer;
  /** Instead of the content's. */
  readonly size?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly prefix?: string;
  readonly magic?: string;
  /** Raw bytes that replace a part of the header before the checksum is made. */
  readonly patch?: readonly (readonly [number, Buffer])[];
}

export const TRAILER = Buffer.alloc(1024);

/** The bytes of one entry, exactly as asked for. */
export function rawEntry(entry: RawEntry): Buffer {
  const block = Buffer.alloc(512);
  const content = Buffer.from(entry.content ?? '');
  const octal = (at: number, digits: number, value: number): void =>
    void block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  Buffer.from(entry.name).copy(block, 0, 0, 100);
  octal(100, 7, entry.mode ?? 0o644);
  octal(108, 7, entry.uid ?? 0);
  octal(116, 7, entry.gid ?? 0);
  octal(124, 11, entry.size ?? content.length);
  octal(136, 11, entry.mtime ?? 0);
  block.write(entry.type ?? '0', 156, 'latin1');
  Buffer.from(entry.link ?? '').copy(block, 157, 0, 100);
  block.write(entry.magic ?? 'ustar\x0000', 257, 'latin1');
  octal(329, 7, entry.major ?? 0);
  octal(337, 7, entry.minor ?? 0);
  block.write(entry.prefix ?? '', 345, 'latin1');
  for (const [at, bytes] of entry.patch ?? []) bytes.copy(block, at);
  block.fill(' ', 148, 156);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
  return Buffer.concat([block, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** An archive of `entries`, with its end. */
export function tarOf(...entries: RawEntry[]): Buffer {
  return Buffer.concat([...entries.map(rawEntry), TRAILER]);
}

export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export function pax(...records: (readonly [string, string | Buffer])[]): RawEntry {
  return {
    name: 'PaxHeaders',
    type: 'x',
    content: Buffer.concat(records.map(([key, value]) => paxRecord(key, value))),
  };
}

/** `bytes` in chunks of `size`. */
export async function* chunked(bytes: Uint8Array, size = bytes.length || 1): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

const TYPE_LETTERS: Readonly<Record<number, string>> = {
  0o010000: 'p',
  0o020000: 'c',
  0o040000: 'd',
  0o060000: 'b',
  0o100000: '-',
  0o120000: 'l',
  0o140000: 's',
};

/** One line for everything below `dir`: type, mode, owner, time (whole seconds), and content, target or device. */
export function picture(dir: string, options: { readonly times?: boolean } = {}): string[] {
  const lines: string[] = [];
  const firstNames = new Map<string, string>();
  const visit = (path: string): void => {
    for (const name of fs.readdirSync(join(dir, path)).sort()) {
      const at = path === '' ? name : `${path}/${name}`;
      const host = join(dir, at);
      const stats = fs.lstatSync(host, { bigint: true });
      const letter = TYPE_LETTERS[Number(stats.mode) & 0o170000] ?? '?';
      const time = options.times === false ? '' : ` @${stats.mtimeNs / 1_000_000_000n}`;
      let what = '';
      if (letter === '-') what = JSON.stringify(fs.readFileSync(host, 'latin1'));
      if (letter === 'l') what = `-> ${fs.readlinkSync(host)}`;
      if (letter === 'c' || letter === 'b') what = String(stats.rdev);
      const inode = `${stats.dev}:${stats.ino}`;
      const isWhiteout = letter === 'c' && stats.rdev === 0n;
      if (letter !== 'd' && stats.nlink > 1n && !isWhiteout) {
        what += ` = ${firstNames.get(inode) ?? 'first'}`;
        if (!firstNames.has(inode)) firstNames.set(inode, at);
      }
      const owner = `${stats.uid}:${stats.gid}`;
      lines.push(`${letter}${(Number(stats.mode) & 0o7777).toString(8)} ${owner}${time} ${at} ${what}`.trimEnd());
      if (letter === 'd') visit(at);
    }
  };
  visit('');
  return lines;
}

/** One line for each entry of `tree`, with the content of files; hard links are not told apart. */
export function treePicture(tree: FileTree): string[] {
  const lines: string[] = [];
  const visit = (dir: string): void => {
    for (const name of tree.readdir(dir)) {
      const path = dir === '/' ? `/${name}` : `${dir}/${name}`;
      const entry = tree.lstat(path);
      if (entry === undefined) throw new Error(`readdir() lists "${path}", but lstat() does not know it`);
      let what = '';
      if (entry.type === 'file') what = JSON.stringify(fs.readFileSync(fsPath(tree.hostPath(path)), 'latin1'));
      if (entry.type === 'symlink') what = `-> ${tree.readlink(path)}`;
      if (entry.device !== undefined) what = `${entry.device.major}:${entry.device.minor}`;
      const time = entry.mtimeNs / 1_000_000_000n;
      lines.push(
        `${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} @${time} ${JSON.stringify(path)} ${what}`,
      );
      if (entry.type === 'directory') visit(path);
    }
  };
  visit('/');
  return lines;
}

/** A plain directory of the host as a tree. */
export function hostTree(dir: string): FileTree {
  return new MergedView([{ dir, opaqueDirs: [] }]);
}

/** Mounts a stack (lowest first) with the kernel at `target`, the way the runtime does, while `work` runs. */
export function withOverlay<T>(
  lab: Lab,
  lower: readonly string[],
  upper: string | undefined,
  work: (merged: string) => T,
): T {
  const merged = fs.mkdtempSync(lab.path('merged-'));
  const options = [
    `lowerdir=${[...lower].reverse().join(':')}`,
    'redirect_dir=nofollow,metacopy=off,index=off,xino=off',
  ];
  if (upper !== undefined) options.push(`upperdir=${upper},workdir=${fs.mkdtempSync(lab.path('work-'))}`);
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options.join(','), merged]);
  try {
    return work(merged);
  } finally {
    execFileSync('umount', [merged]);
  }
}

/** A small tree as data, made by `makeTree`. */
export interface Plan {
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'symlink' | 'link' | 'fifo' | 'character' | 'whiteout' | 'opaque';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  /** Content, or the target of a link. */
  readonly text: string;
}

const NAMES = ['a', 'b', 'c.d', 'ü', 'x\udcff', 'n'.repeat(110), '日本', 'a b', '-', 'zz'];

/** Random lists of entries; with `marks` also what only layers have. Times are whole seconds, as in a layer's tar. */
export function arbitraryPlans(options: {
  readonly marks: boolean;
  readonly maxLength?: number;
}): fc.Arbitrary<Plan[]> {
  const marks = options.marks ? (['whiteout', 'opaque'] as const) : [];
  const path = fc
    .array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
    .map((parts) => `/${parts.join('/')}`);
  const plan = fc.record({
    path,
    kind: fc.constantFrom(
      'directory',
      'directory',
      'file',
      'file',
      'file',
      'symlink',
      'link',
      'fifo',
      'character',
      ...marks,
    ),
    mode: fc.constantFrom(0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o000),
    uid: fc.constantFrom(0, 1000, 3_000_000),
    gid: fc.constantFrom(0, 1000, 4_000_000_000),
    mtimeSeconds: fc.constantFrom(0, 1, 1_700_000_000, -5, 10_000_000_000),
    text: fc.oneof(path, fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom('a', '/', '.', 'ü') })),
  });
  return fc.array(plan, { maxLength: options.maxLength ?? 25 }) as fc.Arbitrary<Plan[]>;
}

/** Writes `plans` into the layer directory `dir`. Entries that meet something of another type replace it. */
export async function makeTree(files: NativeFiles, dir: string, plans: readonly Plan[]): Promise<void> {
  const options = { existing: 'replace' } as const;
  const linkable: string[] = [];
  await using writer = files.openWriter({ kind: 'directory', path: dir });
  for (const plan of plans) {
    const { path, mode, uid, gid, text } = plan;
    const metadata = { mode, uid, gid, mtimeNs: BigInt(plan.mtimeSeconds) * 1_000_000_000n };
    // A path through a link or a file would be another entry than planned; so what is in the way goes first.
    const isClear = (other: string): boolean =>
      other !== path && !other.startsWith(`${path}/`) && !path.startsWith(`${other}/`);
    for (let at = path.indexOf('/', 1); at !== -1; at = path.indexOf('/', at + 1)) {
      await writer.directory(path.slice(0, at), { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n }, options);
    }
    if (plan.kind !== 'directory' && plan.kind !== 'opaque') await writer.remove(path);
    const targets = linkable.filter(isClear);
    linkable.splice(0, linkable.length, ...targets);
    switch (plan.kind) {
      case 'directory':
        await writer.directory(path, metadata, options);
        break;
      case 'file':
        await writer.file(path, metadata, { kind: 'bytes', data: Buffer.from(text.repeat(20)) }, options);
        linkable.push(path);
        break;
      case 'symlink':
        await writer.symlink(path, text, metadata, options);
        break;
      case 'link':
        if (targets[0] !== undefined) await writer.link(path, targets[0], options);
        break;
      case 'fifo':
        await writer.node(path, 'fifo', { major: 0, minor: 0 }, metadata, options);
        break;
      case 'character':
        await writer.node(path, 'character', { major: 5, minor: 300 }, metadata, options);
        break;
      case 'whiteout':
        await writer.whiteout(path);
        break;
      case 'opaque':
        await writer.directory(path, metadata, options);
        await writer.opaque(path);
        break;
    }
  }
  await writer.close();
}
