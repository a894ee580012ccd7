/** Each layer directory once, in its topmost place: overlayfs takes none twice, and the topmost hides all that the others could show. */
export function distinctLayers(lower: readonly string[]): string[] {
  return [...new Set(lower.toReversed())].toReversed();
}
