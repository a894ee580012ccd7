/**
 * Operations, shaped like BuildKit's LLB: what a vertex does to its inputs.
 *
 * An operation is plain data. Its canonical encoding (sorted keys, no undefined) is part of the vertex digest and of cache keys, so
 * everything in it must matter for the result; what must not enter a key (secret values, proxy settings, display names) is elsewhere.
 */
import type { Digest } from '../core/digest.ts';
import type { Platform } from '../core/platform.ts';

export type Op = ScratchOp | ImageOp | LocalOp | HttpOp | GitOp | ExecOp | FileOp | MergeOp;

/** An empty file system. */
export interface ScratchOp {
  readonly kind: 'scratch';
}

/** The file system of an image. */
export interface ImageOp {
  readonly kind: 'image';
  /** Full name, for fetching and display; not in the key. */
  readonly reference: string;
  /** Digest of the manifest for `platform`. */
  readonly manifest: Digest;
  readonly platform: Platform;
}

/** A directory of the client: the build context (`context`) or a named context. */
export interface LocalOp {
  readonly kind: 'local';
  readonly name: string;
}

/** A file by HTTP: the output has it alone, as `/<filename>`. */
export interface HttpOp {
  readonly kind: 'http';
  readonly url: string;
  readonly filename: string;
  /** What it must be. */
  readonly checksum?: Digest;
}

/** The files of a repository at a commit. */
export interface GitOp {
  readonly kind: 'git';
  /** Without ref and subdirectory. */
  readonly remote: string;
  /** A branch, a tag, a full ref name or a commit; absent: the remote's HEAD. */
  readonly ref?: string;
  /** Clean and relative; absent: the whole repository. */
  readonly subdir?: string;
  /** The commit that it must be, or its first digits. */
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
  /** The time of files: when they are written; absent: that of the commit. */
  readonly mtime?: 'checkout';
}

/** RUN. Input 0 is the root file system; the output is that file system after the command. */
export interface ExecOp {
  readonly kind: 'exec';
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly hostname: string;
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly mounts: readonly ExecMount[];
  /** `name` of each `--add-host`; the addresses are not in the key. */
  readonly extraHosts: readonly string[];
  readonly shmSizeBytes?: number;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly platform: Platform;
}

/** `input` is an index into the vertex's inputs; `source` is a path in it, rooted and clean; `target` is absolute and clean. */
export type ExecMount =
  | {
      readonly kind: 'bind';
      readonly target: string;
      readonly input: number;
      readonly source: string;
      readonly readonly: boolean;
    }
  | {
      readonly kind: 'cache';
      readonly target: string;
      readonly id: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      readonly readonly: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** The initial content. */
      readonly input?: number;
      readonly source: string;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number; readonly readonly?: true }
  | {
      readonly kind: 'secret';
      readonly id: string;
      /** Absent when only `env` is wanted. */
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly kind: 'ssh';
      readonly id: string;
      readonly target: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** COPY, ADD and WORKDIR. Input 0 is the file system that the actions change, in order. */
export interface FileOp {
  readonly kind: 'file';
  readonly actions: readonly FileAction[];
  /** `--link`: the result is the new layer alone, and of input 0 only what the destination depends on is in the keys. */
  readonly linked?: true;
}

/** `COPY --link`: the layers of input 0, then the layer of input 1, which fits on whatever has an equal destination. */
export interface MergeOp {
  readonly kind: 'merge';
}

/** An owner as written: ids or names, the latter looked up in the file system that is changed. */
export interface Owner {
  readonly user: string;
  readonly group?: string;
}

/** What a mode is changed by: an octal number, or chmod(1) clauses such as `u=rwX,go=rX`. */
export type ModeChange =
  { readonly kind: 'octal'; readonly mode: number } | { readonly kind: 'symbolic'; readonly clauses: string };

export interface CopyAction {
  readonly kind: 'copy';
  /** Index into the vertex's inputs. */
  readonly input: number;
  /** What is copied; paths and patterns rooted in the input (`/a/b`) and cleaned, without a slash at the end. */
  readonly selection: Selection;
  /** Absolute; a trailing slash (kept here) says that it is a directory. */
  readonly destination: string;
  readonly owner?: Owner;
  readonly mode?: ModeChange;
  /** Keep the source's directory structure below the destination; after a `/./` in `source`, only what follows it. */
  readonly parents: boolean;
  /** Unpack sources that are archives (ADD of local files). */
  readonly unpack: boolean;
  /** From the client's context: owners become 0:0 unless `owner` says otherwise. */
  readonly resetOwner: boolean;
}

/** The part of a tree that a COPY, an ADD or a bind mount uses. */
export interface Selection {
  /** One source as written after expansion: a path, or a pattern in Go's `filepath.Match` form. */
  readonly source: string;
  /** Whether `source` may be a pattern; then no match is no error. */
  readonly wildcard: boolean;
  /** `--exclude` patterns, in the form of .dockerignore, relative to the source. */
  readonly exclude: readonly string[];
}

export type FileAction =
  | CopyAction
  | {
      /** WORKDIR: missing parents are made as well, all with this owner. */
      readonly kind: 'mkdir';
      readonly path: string;
      readonly mode: number;
      readonly owner?: Owner;
    }
  | {
      /** A heredoc of COPY or ADD. */
      readonly kind: 'mkfile';
      readonly destination: string;
      /** The file's name where the destination is a directory. */
      readonly name: string;
      readonly content: string;
      readonly mode: number;
      readonly modeChange?: ModeChange;
      readonly owner?: Owner;
    };
