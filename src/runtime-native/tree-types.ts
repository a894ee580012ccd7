/**
 * Writing many entries into a file tree at native speed.
 *
 * A `TreeWriter` is a native process that has entered the root and carries out a checked list of operations: for an overlay it mounts
 * the stack in its own mount namespace, so that directories, links and conflicts behave as they do for a process in the container;
 * for a plain directory (unpacking a layer) it works in it directly. Operations are queued and carried out in order; the first failure stops the
 * writer, and `flush` or `close` rejects with it.
 *
 * Every path is relative to the root and resolved inside it: symbolic links in its parents are followed, never out of the root; the last
 * part is never followed unless `through` says so. Missing parents are made with mode 0755, owner 0:0.
 */
import type { DiffID, Digest } from '../core/digest.ts';
import type { WantedEntry } from '../core/tree-entry.ts';
import type { RootfsSpec } from './types.ts';

export interface Metadata {
  /** Permission bits, setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Absent: the time of writing. Of directories it is set last, when nothing more is written below them. */
  readonly mtimeNs?: bigint;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

export type FileContent =
  /** A file on the host, opened without following a link at its end; it must be a regular file. Capabilities and `user.*` attributes come along. */
  | { readonly kind: 'host'; readonly path: string }
  | { readonly kind: 'bytes'; readonly data: Uint8Array }
  | { readonly kind: 'stream'; readonly sizeBytes: number; readonly chunks: AsyncIterable<Uint8Array> };

export interface WriteOptions {
  /**
   * What to do when the last part exists. A directory that meets a directory: `keep` leaves its metadata alone, `update` overwrites it.
   * A non-directory replaces a non-directory. `replace` also lets a directory replace a non-directory and the other way round (tar
   * semantics: a non-empty directory is removed with its content); otherwise such a conflict rejects with `path-conflict`.
   */
  readonly existing: 'keep' | 'update' | 'replace';
  /** Writing a file onto a symbolic link writes to what the link points to, inside the root (BuildKit's COPY). */
  readonly through?: boolean;
}

export interface TreeWriter extends AsyncDisposable {
  directory(path: string, metadata: Metadata, options: WriteOptions): Promise<void>;
  file(path: string, metadata: Metadata, content: FileContent, options: WriteOptions): Promise<void>;
  symlink(path: string, target: string, metadata: Metadata, options: WriteOptions): Promise<void>;
  /** A further name for the file at `target`, which must be below the root and not be reached through a link in its last part. */
  link(path: string, target: string, options: WriteOptions): Promise<void>;
  node(
    path: string,
    type: 'fifo' | 'character' | 'block',
    device: { readonly major: number; readonly minor: number },
    metadata: Metadata,
    options: WriteOptions,
  ): Promise<void>;
  /** Marks `path` as deleted in overlay form; only for a layer directory. */
  whiteout(path: string): Promise<void>;
  /** Makes `path` a directory that hides everything of lower layers; only for a layer directory. */
  opaque(path: string): Promise<void>;
  /** Removes `path` with everything below it; no error if it does not exist. */
  remove(path: string): Promise<void>;
  /** Settles when everything queued so far is done. */
  flush(): Promise<void>;
  /** Finishes: settles when all is done, directory times are set and the process has ended. */
  close(): Promise<void>;
  /** Ends the process at once if it is still there. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TreeWriterOptions {
  readonly signal?: AbortSignal;
}

/** What a walk over a layer directory finds. */
export interface ScannedLayer {
  /** Rooted paths. */
  readonly opaqueDirs: readonly string[];
  /** Digests of the attributes that a copy keeps, by the paths that have any. */
  readonly xattrs: ReadonlyMap<string, Digest>;
  /** What is meant to be something else than it is. */
  readonly wanted?: ReadonlyMap<string, WantedEntry>;
  /** Tells the layer from an incomplete copy. */
  readonly fingerprint: string;
}

/** What identifies a layer, as a snapshot store remembers it. */
export interface LayerIdentity {
  /** Of exactly the bytes of the tar. */
  readonly diffID: DiffID;
  /** Of the uncompressed tar, in bytes. */
  readonly sizeBytes: number;
}

/** An uncompressed tar: its bytes, or the path of a file with nothing else in it, which costs less. */
export type LayerSource = AsyncIterable<Uint8Array> | { readonly file: string };

export interface UnpackOptions {
  /** Layer directories below, lowest first. */
  readonly lower: readonly string[];
  readonly limits: {
    readonly maxEntries: number;
    readonly maxPathBytes: number;
    /** Of one extended header. */
    readonly maxHeaderBytes: number;
  };
  readonly signal?: AbortSignal;
}

export interface UnpackedLayer extends LayerIdentity {
  /**
   * Paths of the layer, in byte order, that the tar takes for granted. If there are any, the directory is right only above the same
   * lower layers and is to be kept by its chain ID.
   */
  readonly impliedParents: readonly string[];
}

export interface NativeFiles {
  openWriter(root: RootfsSpec, options?: TreeWriterOptions): TreeWriter;
  /**
   * The canonical layer tar of a directory in overlay form, as a stream: byte-sorted, whiteouts and opaque directories as `.wh.` entries,
   * hard links to the first name, whole-second times, PAX records only where needed.
   */
  packLayer(dir: string, options?: { readonly signal?: AbortSignal }): import('node:stream').Readable;
  /** The identity of that tar. */
  digestLayer(dir: string, options?: { readonly signal?: AbortSignal }): Promise<LayerIdentity>;
  /** Fills the empty layer directory `upper` from a tar; see c/unpack.h. No process works on it any more when it settles. */
  unpackLayer(tar: LayerSource, upper: string, options: UnpackOptions): Promise<UnpackedLayer>;
  /** One walk over a layer directory. */
  scanLayer(dir: string): Promise<ScannedLayer>;
  /** Removes a tree of the host, whatever the modes of its directories; no error if it does not exist. */
  removeTree(path: string): Promise<void>;
}
