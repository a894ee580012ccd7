/** Plain files as a tar, with nothing in it that depends on where or when it was made. */
import { Header } from 'tar';

const BLOCK = 512;

export interface TarFile {
  /** Short and ASCII, as the names in image archives are. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** The bytes of an archive with `files`, in this order; each has to have as many bytes as it says. */
export async function* tarOf(files: AsyncIterable<TarFile>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const file of files) {
    yield headerOf(file);
    let written = 0;
    for await (const chunk of file.chunks) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== file.sizeBytes) throw new Error(`"${file.path}" has ${written} bytes instead of ${file.sizeBytes}`);
    const rest = written % BLOCK;
    if (rest > 0) yield Buffer.alloc(BLOCK - rest);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function headerOf(file: TarFile): Buffer {
  const block = Buffer.alloc(BLOCK);
  const needsMore = new Header({
    path: file.path,
    type: 'File',
    size: file.sizeBytes,
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    mtime: new Date(0),
  }).encode(block);
  if (needsMore) throw new Error(`"${file.path}" does not fit into a tar header`);
  return block;
}
