/* Where this process is in the control group hierarchies of the machine. */
#ifndef TSBUILD_CGROUP_FIND_H
#define TSBUILD_CGROUP_FIND_H

#include "cgroup.h"

/*
 * Fills version and hierarchies with the groups of the calling process, no directory open. On a machine with both
 * versions, version 1 is taken if it has any controller, as those are then missing from version 2.
 */
int cgroup_find(struct cgroup *cgroup, struct error *error);

/* The same from the texts of /proc/self/cgroup and /proc/self/mountinfo, which it takes apart. */
int cgroup_parse(struct cgroup *cgroup, char *groups, char *mounts, struct error *error);

#endif
