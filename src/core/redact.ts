/** URLs as they may be shown: without the password or token in front of their host. */

const STAND_IN = 'xxxxx';

/** The URL without its password; of HTTP, where a token may stand in the place of a user, without both. */
export function withoutPassword(url: string): string {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)([^]*)$/i.exec(url) ?? [];
  const end = endOfUser(rest);
  if (scheme === '' || end < 0) return url;
  const user = rest.slice(0, end);
  if (!user.includes(':') && !/^https?:/i.test(scheme)) return url;
  return `${scheme}${STAND_IN}${rest.slice(end)}`;
}

/** A text with all the URLs in it as `withoutPassword` shows them. */
export function withoutPasswords(text: string): string {
  // Most texts have none, and looking is faster than replacing.
  if (!text.includes('://')) return text;
  return text.replace(/[a-z][a-z0-9+.-]*:\/\/[^\s'"<>`]+/gi, withoutPassword);
}

/** Where the `@` behind the user is, or -1. A password that is not encoded may itself have an `@` or a `/`. */
function endOfUser(rest: string): number {
  const authority = /^[^/\\?#]*/.exec(rest)?.[0] ?? '';
  const at = authority.lastIndexOf('@');
  const isHost = /^(?:\[[^\]]*\]|[^:]*)(?::\d*)?$/.test(authority);
  return at >= 0 || isHost ? at : rest.lastIndexOf('@');
}
