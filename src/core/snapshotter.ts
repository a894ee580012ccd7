/** By what the layers below a step are stacked: by overlayfs, by fuse-overlayfs, by copying them, or by the first of these that works. */
export const SNAPSHOTTERS = ['auto', 'overlay', 'fuse-overlayfs', 'copy'] as const;

export type Snapshotter = (typeof SNAPSHOTTERS)[number];

export function isSnapshotter(text: string): text is Snapshotter {
  return SNAPSHOTTERS.some((known) => known === text);
}
