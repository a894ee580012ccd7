/* Whether the kernel killed for want of memory. */
#ifndef TSBUILD_CGROUP_EVENTS_H
#define TSBUILD_CGROUP_EVENTS_H

#include "cgroup.h"

/* To be called before the first process of the groups. */
void cgroup_watch_kills(struct cgroup *cgroup);

/*
 * Whether a process of the container was killed; to be asked after its end. Where only the caller's group counts, a kill
 * there in the meantime counts if the container's first process ended as if killed, which `exit_code` tells.
 */
bool cgroup_oom_killed(struct cgroup *cgroup, unsigned exit_code);

#endif
