/**
 * The files of an image archive, by name: a tar, which is read once from beginning to end and whose larger parts go to the content store
 * as they come; or the directory of an OCI layout.
 */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredBlob } from '../../content/types.ts';
import type { Digest } from '../../core/digest.ts';
import { hexOf, isDigest } from '../../core/digest.ts';
import { BuildError, errnoOf } from '../../core/errors.ts';
import { cleanPath, rootedPath } from '../../core/paths.ts';
import { decompress } from '../../layer/compress.ts';
import type { TarEntry } from '../../layer/reader.ts';
import { DEFAULT_TAR_LIMITS, readTar } from '../../layer/reader.ts';
import { archiveLimit, badArchive } from '../errors.ts';
import type { Staging } from './staging.ts';

export interface ArchiveSource {
  /** A small file's bytes, or undefined if there is none. */
  document(path: string): Promise<Buffer | undefined>;
  /** A file brought into the content store, or undefined if there is none. Throws `digest-mismatch` where its name is its digest. */
  blob(path: string): Promise<StoredBlob | undefined>;
}

const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_ENTRIES = 20_000;
const MAX_LINKS = 40;
const DOCUMENTS = new Set(['manifest.json', 'index.json', 'oci-layout']);

export function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** Reads a whole tar, compressed or not. Files that no image archive has are passed over. */
export async function readArchive(stream: AsyncIterable<Uint8Array>, staging: Staging): Promise<ArchiveSource> {
  const documents = new Map<string, Buffer>();
  const blobs = new Map<string, StoredBlob>();
  const links = new Map<string, string>();
  for await (const entry of readTar(decompress(stream), { ...DEFAULT_TAR_LIMITS, maxEntries: MAX_ENTRIES })) {
    const path = cleanPath(entry.path);
    if (path.startsWith('/') || path.startsWith('..')) throw badArchive(`"${entry.path}" leads out of it`);
    // Of two entries with the same name the later one counts.
    for (const map of [documents, blobs, links]) map.delete(path);
    const target = linkTarget(path, entry);
    if (target !== undefined) links.set(path, target);
    else if (entry.type !== 'file') continue;
    else if (DOCUMENTS.has(path)) documents.set(path, await wholeEntry(entry));
    else if (!isLegacyFile(path)) blobs.set(path, await staging.write(entry.content, expectedBlob(path, entry.size)));
  }
  const resolve = (path: string): string => {
    let current = cleanPath(path);
    for (let count = 0; ; count++) {
      const next = links.get(current);
      if (next === undefined) return current;
      if (count >= MAX_LINKS) throw badArchive(`"${path}" is a link that leads nowhere`);
      current = next;
    }
  };
  return {
    document: (path) => Promise.resolve(documents.get(resolve(path))),
    blob: (path) => Promise.resolve(blobs.get(resolve(path))),
  };
}

/** The directory of an OCI layout; throws `invalid-archive` if it is none. */
export async function openLayout(dir: string, staging: Staging): Promise<ArchiveSource> {
  // Names come from documents in the directory, so they must not lead out of it.
  const inside = (path: string): string => join(dir, rootedPath(path));
  if ((await sizeOf(inside('oci-layout'))) === undefined) {
    throw badArchive(`"${dir}" is a directory, but not an OCI image layout`);
  }
  return {
    async document(path) {
      const size = await sizeOf(inside(path));
      if (size === undefined) return undefined;
      if (size > MAX_DOCUMENT_BYTES) throw tooLarge(path);
      return readFile(inside(path));
    },
    async blob(path) {
      const size = await sizeOf(inside(path));
      return size === undefined
        ? undefined
        : staging.write(createReadStream(inside(path)), expectedBlob(cleanPath(path), size));
    },
  };
}

/** In bytes; undefined if there is no such file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Where a link leads, from the archive's root: a symbolic link starts at its own directory, a hard link at the root. */
function linkTarget(path: string, entry: TarEntry): string | undefined {
  switch (entry.type) {
    case 'symlink':
      return cleanPath(`${path}/../${entry.linkPath}`);
    case 'link':
      return cleanPath(entry.linkPath);
    case 'file':
    case 'directory':
    case 'fifo':
    case 'character':
    case 'block':
      return undefined;
  }
}

async function wholeEntry(entry: TarEntry): Promise<Buffer> {
  if (entry.size > MAX_DOCUMENT_BYTES) throw tooLarge(entry.path);
  const parts: Uint8Array[] = [];
  for await (const chunk of entry.content) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}

function expectedBlob(path: string, sizeBytes: number): { digest: Digest; sizeBytes: number } | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  const digest = `sha256:${hex ?? ''}`;
  return isDigest(digest) ? { digest, sizeBytes } : undefined;
}

/** Beside every layer, `docker save` used to keep what Docker before version 1.10 needs. */
function isLegacyFile(path: string): boolean {
  return path === 'repositories' || path.endsWith('/VERSION') || path.endsWith('/json');
}

function tooLarge(path: string): BuildError {
  return archiveLimit(`"${path}" has more than ${MAX_DOCUMENT_BYTES} bytes`);
}
