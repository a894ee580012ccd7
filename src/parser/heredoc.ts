/** Heredoc markers: what `<<-"EOF"` says about the body that follows. */

export interface Marker {
  readonly name: string;
  readonly expand: boolean;
  readonly stripTabs: boolean;
  readonly fileDescriptor: string;
}

/**
 * Reads a marker token: digits, `<<`, an optional `-`, and a word, before which there may be blanks. Quotes in the word turn expansion off; an escaped
 * character does not, unlike in a shell.
 */
export function parseMarker(text: string): Marker {
  const match = /^([0-9]*)<<(-?)\s*([^]*)$/.exec(text);
  if (match === null) throw new Error(`Not a heredoc marker: ${text}`);
  const [, fileDescriptor = '', dash = '', word = ''] = match;
  let quoted = false;
  const part = /'([^']*)'|"((?:\\[^]|[^"\\])*)"|\\([^])/g;
  const name = word.replace(part, (_, single?: string, double?: string, escaped?: string) => {
    if (escaped !== undefined) return escaped;
    quoted = true;
    return single ?? double?.replace(/\\(["\\$])/g, '$1') ?? '';
  });
  return { name, expand: !quoted, stripTabs: dash === '-', fileDescriptor };
}

/** The body without the tabs that `<<-` takes off each line. */
export function stripLeadingTabs(body: string): string {
  return body.replace(/(^|\n)\t+/g, '$1');
}
