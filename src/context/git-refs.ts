/** Reading what `git ls-remote` lists. */

const LINE = /^([0-9a-f]{40}|[0-9a-f]{64})\t(\S+)$/;

/**
 * What `ref` stands for: the commit, then the annotated tag that leads to it, if one does. A branch wins over a tag of the same name, as
 * with git-checkout(1). Undefined if there is none.
 */
export function pickRef(listed: string, ref: string | undefined): readonly string[] | undefined {
  const ids = new Map<string, string>();
  for (const line of listed.split('\n')) {
    const [, id, name] = LINE.exec(line) ?? [];
    if (id !== undefined && name !== undefined) ids.set(name, id);
  }
  const names =
    ref === undefined
      ? ['HEAD']
      : [
          ...(ref.startsWith('refs/') || ref === 'HEAD' ? [ref] : []),
          `refs/heads/${ref}`,
          `refs/tags/${ref}`,
          `refs/${ref}`,
        ];
  for (const name of names) {
    const id = ids.get(name);
    if (id === undefined) continue;
    const peeled = ids.get(`${name}^{}`);
    return peeled === undefined ? [id] : [peeled, id];
  }
  return undefined;
}
