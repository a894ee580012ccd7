/* What killed runtimes have left. */
#ifndef TSBUILD_CGROUP_SWEEP_H
#define TSBUILD_CGROUP_SWEEP_H

#include "cgroup.h"

/* Removes the groups of processes that are gone from below the hierarchies' paths. */
void cgroup_sweep(const struct cgroup *found);

/* The same below one path of a hierarchy. */
void cgroup_sweep_below(const struct cgroup_hierarchy *hierarchy);

#endif
