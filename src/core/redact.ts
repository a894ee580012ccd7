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
  let shown = '';
  let done = 0;
  // From the mark backwards: a pattern that starts with the scheme takes quadratic time on a long word.
  for (let mark = text.indexOf('://'); mark !== -1; mark = text.indexOf('://', Math.max(done, mark + 3))) {
    const start = startOfScheme(text, mark, done);
    if (start === mark) continue;
    URL_REST.lastIndex = mark;
    const end = URL_REST.test(text) ? URL_REST.lastIndex : mark;
    shown += text.slice(done, start) + withoutPassword(text.slice(start, end));
    done = end;
  }
  return done === 0 ? text : shown + text.slice(done);
}

const URL_REST = /[^\s'"<>`]+/y;

/** Where the scheme that ends at `end` starts; `end` if there is none. Nothing before `from` belongs to it. */
function startOfScheme(text: string, end: number, from: number): number {
  let start = end;
  for (let at = end - 1; at >= from && /[a-z0-9+.-]/i.test(text.charAt(at)); at--) {
    if (/[a-z]/i.test(text.charAt(at))) start = at;
  }
  return start;
}

/** Where the `@` behind the user is, or -1. A password that is not encoded may itself have an `@` or a `/`. */
function endOfUser(rest: string): number {
  const authority = /^[^/\\?#]*/.exec(rest)?.[0] ?? '';
  const at = authority.lastIndexOf('@');
  const isHost = /^(?:\[[^\]]*\]|[^:]*)(?::\d*)?$/.test(authority);
  return at >= 0 || isHost ? at : rest.lastIndexOf('@');
}
