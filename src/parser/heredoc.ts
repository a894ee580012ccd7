/** Heredoc markers: what `<<-"EOF"` says about the body that follows. */

export interface Marker {
  readonly name: string;
  readonly expand: boolean;
  readonly stripTabs: boolean;
  readonly fileDescriptor: string;
}

/** Reads a marker token: digits, `<<`, an optional `-`, and a word whose quoted or escaped parts turn expansion off. */
export function parseMarker(text: string): Marker {
  const match = /^([0-9]*)<<(-?)([^]*)$/.exec(text);
  if (match === null) throw new Error(`Not a heredoc marker: ${text}`);
  const [, fileDescriptor = '', dash = '', word = ''] = match;
  const name = word.replace(
    /'([^']*)'|"((?:\\[^]|[^"\\])*)"|\\([^])/g,
    (_, single?: string, double?: string, escaped?: string) => {
      if (double !== undefined) return double.replace(/\\(["\\$])/g, '$1');
      return single ?? escaped ?? '';
    },
  );
  return { name, expand: name === word, stripTabs: dash === '-', fileDescriptor };
}

/** The body without the tabs that `<<-` takes off each line. */
export function stripLeadingTabs(body: string): string {
  return body.replace(/^\t+/gm, '');
}
