/** What the tests of the native writer share. */
import type { Metadata, TreeWriter, WriteOptions } from '../../src/runtime-native/tree-types.ts';
import { nativeFiles } from '../layer/support.ts';

export const files = nativeFiles();
export const FILE: Metadata = { mode: 0o640, uid: 5, gid: 6, mtimeNs: 1_500_000_000_123_456_789n };
export const DIR: Metadata = { mode: 0o750, uid: 7, gid: 8, mtimeNs: 1_400_000_000_000_000_001n };
export const UPDATE: WriteOptions = { existing: 'update' };
export const KEEP: WriteOptions = { existing: 'keep' };
export const REPLACE: WriteOptions = { existing: 'replace' };
export const bytes = (text: string) => ({ kind: 'bytes', data: Buffer.from(text) }) as const;

/** Runs `work` on a writer for the directory `dir` and closes it. */
export async function write(dir: string, work: (writer: TreeWriter) => Promise<void>): Promise<void> {
  await using writer = files.openWriter({ kind: 'directory', path: dir });
  await work(writer);
  await writer.close();
}
