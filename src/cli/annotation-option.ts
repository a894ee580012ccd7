/** `--annotation [TYPE[PLATFORM]:]KEY=VALUE`. */
import { BuildError } from '../core/errors.ts';
import { formatPlatform, hostPlatform, parsePlatform } from '../core/platform.ts';

const TYPES = ['manifest', 'manifest-descriptor', 'index', 'index-descriptor'];

/**
 * Annotations of the manifest, which is what an image of one platform has; a later one in the place of an earlier one. Throws `usage`,
 * `invalid-platform`, and `unsupported` for other places. `platform` is the build's.
 */
export function annotations(items: readonly string[], platform: string | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const item of items) {
    const equals = item.indexOf('=');
    if (equals < 0) throw bad(item, 'want KEY=VALUE');
    const name = item.slice(0, equals);
    const colon = name.indexOf(':');
    if (colon >= 0) checkPlaces(item, name.slice(0, colon), platform);
    const key = name.slice(colon + 1);
    if (key.trim() === '') throw bad(item, 'the key is empty');
    found.set(key, item.slice(equals + 1));
  }
  return found;
}

function checkPlaces(item: string, places: string, wanted: string | undefined): void {
  for (const place of places.split(',')) {
    const [, type = '', platform] = /^([a-z-]+)(?:\[([\w/.-]+)\])?$/.exec(place) ?? [];
    if (!TYPES.includes(type)) throw bad(item, `"${place}" is no place: want one of "${TYPES.join('", "')}"`);
    if (type !== 'manifest') throw unsupported(item, `the image has no ${type.replace('-', ' ')}`);
    if (platform === undefined) continue;
    const built = formatPlatform(wanted === undefined ? hostPlatform() : parsePlatform(wanted));
    if (formatPlatform(parsePlatform(platform)) !== built) throw unsupported(item, `the image is for ${built}`);
  }
}

function bad(item: string, why: string): BuildError {
  return new BuildError('usage', `Cannot use "${item}" for "--annotation": ${why}`);
}

function unsupported(item: string, why: string): BuildError {
  return new BuildError('unsupported', `Cannot use "${item}" for "--annotation": ${why}`);
}
