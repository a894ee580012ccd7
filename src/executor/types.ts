/** What the executor yields and what it needs from outside. */
import type { ContentMemo } from '../cache/content-memo.ts';
import type { Digest } from '../core/digest.ts';
import type { FileTree } from '../core/tree.ts';
import type { NativeFiles } from '../runtime-native/tree-types.ts';
import type { ContainerResources, ContainerRuntime } from '../runtime-native/types.ts';
import type { SnapshotId, SnapshotStore } from '../snapshot/types.ts';
import type { GitOp, HttpOp } from '../solver/op.ts';

/** What a vertex results in. */
export type BuildResult =
  /** A file system: committed snapshots, lowest first. */
  | { readonly kind: 'layers'; readonly layers: readonly SnapshotId[] }
  /** An image's file system that is unpacked only when somebody needs to read it; the layers are in the content store or a registry. */
  | { readonly kind: 'image'; readonly reference: string; readonly manifest: Digest }
  /** A directory of the client; only this session can use it. */
  | { readonly kind: 'local'; readonly tree: FileTree }
  /** Something in the network as it is in this build; only this session can use it. */
  | { readonly kind: 'remote'; readonly source: RemoteSource };

/** What a URL stands for at the moment, its files fetched no earlier than somebody needs to read them. */
export interface RemoteSource {
  /** Of all that its files are; equal for equal files wherever they come from. */
  readonly content: Digest;
  /** The files; the same tree at every call. */
  open(options: RemoteOptions): Promise<FileTree>;
}

export interface RemoteOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (id: string, current: number, total?: number) => void;
}

/** Asks the network. The engine fulfils it. */
export interface RemoteSources {
  /** Throws `download-failed` and `checksum-mismatch`. */
  resolve(op: HttpOp | GitOp, options: RemoteOptions): Promise<RemoteSource>;
}

/** Unpacks images on demand. The image layer fulfils it. */
export interface ImageUnpacker {
  /** The snapshots of an image's layers, lowest first; fetches and unpacks what is missing. */
  unpack(
    reference: string,
    manifest: Digest,
    options: {
      readonly signal: AbortSignal;
      readonly onProgress?: (id: string, current: number, total: number) => void;
    },
  ): Promise<readonly SnapshotId[]>;
}

/** Values of a session that never enter a key. */
export interface SessionValues {
  /** What each command may use of the machine. */
  readonly resources?: ContainerResources;
  readonly secrets: ReadonlyMap<string, SecretSource>;
  readonly sshAgents: ReadonlyMap<string, SshAgent>;
  /** Proxy settings and the like, for RUN's environment only. */
  readonly proxyEnv: readonly string[];
  /** `host-gateway` as an address is the host's, as a step reaches it. */
  readonly extraHosts: readonly { readonly name: string; readonly address: string }[];
}

/** What answers for an id of SSH agents. */
export type SshAgent =
  /** The client's agent, by the host path of its socket. */
  { readonly kind: 'socket'; readonly path: string } | { readonly kind: 'keys'; readonly keys: readonly AgentKey[] };

/** A private key that signs and is otherwise out of reach. */
export interface AgentKey {
  /** The public key, as SSH encodes it. */
  readonly blob: Uint8Array;
  /** The signature as SSH encodes it; `flags` are those of the agent's protocol. */
  sign(data: Uint8Array, flags: number): Uint8Array;
}

export type SecretSource =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'value'; readonly value: Uint8Array };

/** What an executor works with; it owns none of it. */
export interface ExecutorDeps {
  readonly snapshots: SnapshotStore;
  readonly memo: ContentMemo;
  /** Called when first needed: a fully cached build does without. */
  readonly files: () => Promise<Pick<NativeFiles, 'openWriter'>>;
  readonly runtime: () => Promise<ContainerRuntime>;
  readonly unpacker: () => Promise<ImageUnpacker>;
  readonly remotes: () => Promise<RemoteSources>;
  /** The client's directories by `LocalOp.name`. */
  readonly locals: ReadonlyMap<string, FileTree>;
  readonly session: SessionValues;
  /** The store's directory: cache mounts live in `<root>/cache-mounts`. */
  readonly root: string;
  /** Told what the user should know of how the build goes. */
  readonly onWarning: (message: string) => void;
  /** A fresh random name, `[a-z0-9]+`. */
  readonly newId: () => string;
}
