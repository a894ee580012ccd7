/** Waiting for several things without leaving any behind. */

/**
 * The values of all `promises`, or a rejection; either way only once every one of them has settled, so that whoever waits for a failed
 * step also waits for everything that was begun beside it.
 */
export async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(promises);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
