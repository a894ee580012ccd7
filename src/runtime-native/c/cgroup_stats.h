/* What a container uses. */
#ifndef TSBUILD_CGROUP_STATS_H
#define TSBUILD_CGROUP_STATS_H

#include "cgroup.h"

/*
 * Lines of a name, a space and a number, the same for both versions; stats.ts reads them. Sizes are in bytes, times in
 * microseconds. What no group of the container counts is left out, and so is a limit that there is not.
 */
void cgroup_stats(struct cgroup *cgroup, char *out, size_t size);

#endif
