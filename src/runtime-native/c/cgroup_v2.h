/* Groups of version 2, where one group has all controllers, and each only if all groups above delegate it. */
#ifndef TSBUILD_CGROUP_V2_H
#define TSBUILD_CGROUP_V2_H

#include "cgroup.h"

/*
 * Makes the container's group, with the controllers that its limits need. 0 also when none can be made and none is
 * needed; the hierarchy then keeps the caller's.
 */
int cgroup_v2_make(struct cgroup *cgroup, struct error *error);

/* Gives the groups below the open one the controller. False if it cannot, as where that has processes of its own. */
bool cgroup_v2_delegate(int directory, const char *controller);

#endif
