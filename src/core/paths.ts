/** Paths inside a root filesystem: always `/`-separated, cleaned by text alone; links are resolved elsewhere. */
import { encodePath } from './path-bytes.ts';

/** Go's `path.Clean`: no `.`, no empty parts, `..` resolved where it can be. `''` becomes `.`. */
export function cleanPath(path: string): string {
  const absolute = path.startsWith('/');
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.length > 0 && out[out.length - 1] !== '..') out.pop();
    else if (!absolute) out.push('..');
  }
  const joined = out.join('/');
  return absolute ? `/${joined}` : joined === '' ? '.' : joined;
}

/** The path as seen from the root, which `..` cannot leave: `../a` is `/a`. */
export function rootedPath(path: string): string {
  return cleanPath(`/${path}`);
}

/** `path` if absolute, else below `base`; the result is absolute and clean. */
export function joinPath(base: string, path: string): string {
  return rootedPath(path.startsWith('/') ? path : `${base}/${path}`);
}

/** The names in a rooted path, none for `/`. */
export function pathParts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? (path.startsWith('/') ? '/' : '.') : path.slice(0, slash);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Order of the UTF-8 bytes, which keys and layers are sorted by; never the locale's. */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 order is byte order unless surrogates are involved.
  if (isBelowSurrogates(a) && isBelowSurrogates(b)) return a < b ? -1 : 1;
  return Buffer.compare(encodePath(a), encodePath(b));
}

function isBelowSurrogates(text: string): boolean {
  return !/[\ud800-\uffff]/.test(text);
}
