/** `--build-context NAME[::PLATFORM]=PATH | URL | docker-image://REFERENCE | target:STAGE | oci-layout://PATH[:TAG][@DIGEST]`. */
import { resolve } from 'node:path';
import { isDigest } from '../core/digest.ts';
import { BuildError } from '../core/errors.ts';
import { parsePlatform } from '../core/platform.ts';
import { isRemoteContext } from '../core/remote-url.ts';
import type { NamedContextSource } from '../engine/types.ts';
import { parseReference } from '../oci/reference.ts';
import { remoteContext } from './remote-context.ts';

const RESERVED = ['context', 'scratch'];

/** Named contexts, a later one in the place of an earlier one. Throws `usage`, `invalid-reference` and `invalid-platform`. */
export function namedContexts(items: readonly string[], cwd: string): Map<string, NamedContextSource> {
  const contexts = new Map<string, NamedContextSource>();
  for (const item of items) {
    const equals = item.indexOf('=');
    const [name, value] = [item.slice(0, Math.max(equals, 0)), item.slice(equals + 1)];
    if (name === '' || value === '') throw badContext(item, 'want NAME=PATH or NAME=docker-image://REFERENCE');
    if (RESERVED.includes(name.toLowerCase())) throw badContext(item, `the name "${name}" has a meaning of its own`);
    const colons = name.indexOf('::');
    if (colons === 0) throw badContext(item, 'the name is empty');
    if (colons > 0) parsePlatform(name.slice(colons + 2));
    contexts.set(name, readSource(item, value, cwd));
  }
  return contexts;
}

function readSource(item: string, value: string, cwd: string): NamedContextSource {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase();
  const rest = value.slice((scheme?.length ?? 0) + '://'.length);
  switch (scheme) {
    case undefined:
      if (value.startsWith('target:')) return readTarget(item, value.slice('target:'.length));
      if (isRemoteContext(value)) return remoteContext(value);
      return { kind: 'directory', path: resolve(cwd, value) };
    case 'docker-image':
      parseReference(rest);
      return { kind: 'image', reference: rest };
    case 'oci-layout':
      return readLayout(item, rest, cwd);
    case 'http':
    case 'https':
    case 'git':
    case 'ssh':
      return remoteContext(value);
    default:
      throw badContext(item, `"${scheme}://" is unknown`);
  }
}

function readTarget(item: string, stage: string): NamedContextSource {
  if (stage === '') throw badContext(item, 'want target:STAGE');
  return { kind: 'target', stage };
}

function readLayout(item: string, value: string, cwd: string): NamedContextSource {
  const at = value.indexOf('@');
  const digest = at < 0 ? undefined : value.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw badContext(item, `"${digest}" is no digest`);
  const place = at < 0 ? value : value.slice(0, at);
  const colon = place.lastIndexOf(':');
  const hasTag = colon > place.lastIndexOf('/');
  const path = hasTag ? place.slice(0, colon) : place;
  if (path === '') throw badContext(item, 'it has no path');
  return {
    kind: 'oci-layout',
    path: resolve(cwd, path),
    ...(hasTag && { tag: place.slice(colon + 1) }),
    ...(digest !== undefined && { digest }),
  };
}

function badContext(item: string, why: string): BuildError {
  return new BuildError('usage', `Cannot use "${item}" for "--build-context": ${why}`);
}
