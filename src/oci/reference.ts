/** Image names: `domain/path:tag@digest`, with Docker's defaults (distribution/reference). */
import type { Digest } from '../core/digest.ts';
import { isDigest, parseDigest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';

export interface Reference {
  /** `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** `library/alpine`. */
  readonly path: string;
  /** Present unless only a digest was given. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const MAX_NAME_LENGTH = 255;

function invalid(text: string, why: string): BuildError {
  return new BuildError('invalid-reference', `Cannot parse image name "${text}": ${why}`);
}

/** Reads an image name as a user writes it; adds `docker.io/library/` and `:latest` as Docker does. Throws `invalid-reference`. */
export function parseReference(text: string): Reference {
  if (text === '') throw invalid(text, 'it is empty');
  const at = text.indexOf('@');
  const digestText = at < 0 ? undefined : text.slice(at + 1);
  if (digestText !== undefined && !isDigest(digestText))
    throw invalid(text, `the digest "${digestText}" is not "sha256:" and 64 hex digits`);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag))
    throw invalid(text, `the tag "${tag}" has characters outside A-Z a-z 0-9 _ . - or is too long`);
  const { domain, path } = splitDomain(name);
  if (!DOMAIN.test(domain)) throw invalid(text, `"${domain}" is not a registry host`);
  if (!PATH.test(path)) {
    throw invalid(
      text,
      path === path.toLowerCase()
        ? 'the repository name is not well-formed'
        : 'the repository name must be in lower case',
    );
  }
  if (`${domain}/${path}`.length > MAX_NAME_LENGTH)
    throw invalid(text, `it is longer than ${MAX_NAME_LENGTH} characters`);
  const digest = digestText === undefined ? undefined : parseDigest(digestText);
  if (digest === undefined) return { domain, path, tag: tag ?? 'latest' };
  return { domain, path, digest, ...(tag !== undefined && { tag }) };
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isDomain = slash > 0 && (/[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const domain = isDomain ? first : 'docker.io';
  const path = isDomain ? name.slice(slash + 1) : name;
  if (domain === 'docker.io' || domain === 'index.docker.io') {
    return { domain: 'docker.io', path: path.includes('/') || path === '' ? path : `library/${path}` };
  }
  return { domain, path };
}

/** The full name: `docker.io/library/alpine:latest`. */
export function formatReference(reference: Reference): string {
  return `${repositoryOf(reference)}${suffixOf(reference)}`;
}

/** The name as Docker shows it, without its defaults: `alpine:latest`. */
export function familiarReference(reference: Reference): string {
  return `${familiarRepository(reference)}${suffixOf(reference)}`;
}

/** `docker.io/library/alpine`. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** `alpine`; in full where the short form would be read as something else, such as `docker.io/a.b/c`. */
export function familiarRepository(reference: Reference): string {
  const full = repositoryOf(reference);
  if (reference.domain !== 'docker.io') return full;
  for (const short of [reference.path.replace(/^library\//, ''), reference.path]) {
    const { domain, path } = splitDomain(short);
    if (domain === reference.domain && path === reference.path) return short;
  }
  return full;
}

function suffixOf(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}
