/** Small tars made entry by entry, also such as no tool would make. */
import { Header } from 'tar';
import type { HeaderData } from 'tar';

export interface TarItem {
  readonly path: string;
  /** Default: a directory where the path ends in a slash, else a file. */
  readonly type?: NonNullable<HeaderData['type']>;
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly linkpath?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Major and minor number. */
  readonly device?: readonly [number, number];
}

export function tarOf(items: readonly TarItem[]): Buffer {
  const parts: Buffer[] = [];
  for (const item of items) {
    const content = Buffer.from(item.content ?? '');
    const type = item.type ?? (item.path.endsWith('/') ? 'Directory' : 'File');
    const header = Buffer.alloc(512);
    new Header({
      path: item.path,
      type,
      size: content.length,
      mode: item.mode ?? (type === 'Directory' ? 0o755 : 0o644),
      uid: item.uid ?? 0,
      gid: item.gid ?? 0,
      mtime: new Date(1_700_000_000_000),
      ...(item.linkpath !== undefined && { linkpath: item.linkpath }),
      ...(item.device !== undefined && { devmaj: item.device[0], devmin: item.device[1] }),
    }).encode(header);
    parts.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
