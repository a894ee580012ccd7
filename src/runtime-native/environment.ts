/** What the native processes get of an environment: nothing of the user's. */
import type { Snapshotter } from '../core/snapshotter.ts';

export type NativeEnvironment = Readonly<Record<string, string>>;

export function nativeEnvironment(snapshotter: Snapshotter | undefined): NativeEnvironment {
  return snapshotter === undefined ? {} : { TSBUILD_SNAPSHOTTER: snapshotter };
}
