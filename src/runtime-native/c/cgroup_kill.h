/* All processes of a container's groups at once. */
#ifndef TSBUILD_CGROUP_KILL_H
#define TSBUILD_CGROUP_KILL_H

#include "cgroup.h"

/* Stops every process until cgroup_thaw. -1 with `error` filled, and then none is stopped. */
int cgroup_freeze(struct cgroup *cgroup, struct error *error);
int cgroup_thaw(struct cgroup *cgroup, struct error *error);

/* Kills every process, also one that is stopped, and whatever they start meanwhile. */
void cgroup_kill(struct cgroup *cgroup);

#endif
